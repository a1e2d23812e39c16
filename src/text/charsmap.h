// The precompiled character map of sentencepiece models: which characters become which before tokenizing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace steadyflux::text {

// Format, little endian: u32 trie bytes; the trie, a darts-clone double array of u32 units; the replacements, each
// ended by a zero byte, found by the offset that a leaf holds.
//
// Immutable after parsing, so it may be shared by threads.
class Charsmap {
 public:
  // Throws Error(kInvalidFile) that calls the map by `name` when the sizes or the text in it are wrong.
  static Charsmap parse(std::string_view bytes, std::string_view name);

  // `text` (valid UTF-8) with every mapped character replaced, as the reference's libraries do it: a grapheme cluster
  // shorter than six bytes is replaced whole by what its *shortest* mapped prefix maps to (so a mark that follows a
  // mapped letter is lost); in any other cluster each character stands alone.
  std::string apply(std::string_view text) const;

 private:
  // Appends what the shortest mapped prefix of `chunk` maps to and returns true; false when no prefix is mapped.
  bool append_mapped(std::string& result, std::string_view chunk) const;

  std::vector<std::uint32_t> trie_;
  std::string replacements_;
};

}  // namespace steadyflux::text
