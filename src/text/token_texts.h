// The texts of a vocabulary by token id, in one block of memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace steadyflux::text {

// Immutable after construction, so it may be shared by threads.
class TokenTexts {
 public:
  struct Entry {
    std::int32_t id;
    std::string_view text;
  };

  TokenTexts() = default;
  explicit TokenTexts(std::vector<Entry> entries);

  // The text of token `id`, empty for an id that is not in the vocabulary. Borrowed from this object.
  std::string_view text(std::int32_t id) const;

  // The last id whose text is `text`, -1 when there is none. Linear: for the few special tokens, while loading.
  std::int32_t find(std::string_view text) const;

 private:
  struct Extent {
    std::int32_t id;
    std::uint32_t begin;
    std::uint32_t size;
  };

  std::vector<Extent> extents_;  // by id
  std::string bytes_;
};

}  // namespace steadyflux::text
