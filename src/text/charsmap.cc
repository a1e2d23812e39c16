#include "text/charsmap.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "text/grapheme.h"
#include "text/utf8.h"

namespace steadyflux::text {
namespace {

constexpr std::size_t kUnitBytes = 4;
constexpr std::size_t kLongClusterBytes = 6;

// The fields of a unit of a darts-clone array.
bool has_leaf(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
std::uint32_t value_of(std::uint32_t unit) { return unit & 0x7FFFFFFF; }
std::uint32_t label_of(std::uint32_t unit) { return unit & 0x800000FF; }
std::uint32_t offset_of(std::uint32_t unit) { return (unit >> 10) << ((unit & 0x200) >> 6); }

std::uint32_t read_u32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < kUnitBytes; ++i) {
    value |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[at + i])) << (8 * i);
  }
  return value;
}

// The value of the shortest key that `chunk` starts with.
std::optional<std::uint32_t> shortest_prefix(const std::vector<std::uint32_t>& trie, std::string_view chunk) {
  if (trie.empty()) return std::nullopt;
  std::size_t node = offset_of(trie[0]);
  for (const char c : chunk) {
    const auto byte = static_cast<std::uint8_t>(c);
    node ^= byte;
    if (byte == 0 || node >= trie.size() || label_of(trie[node]) != byte) return std::nullopt;
    const std::uint32_t unit = trie[node];
    node ^= offset_of(unit);
    if (node >= trie.size()) return std::nullopt;
    if (has_leaf(unit)) return value_of(trie[node]);
  }
  return std::nullopt;
}

}  // namespace

Charsmap Charsmap::parse(std::string_view bytes, std::string_view name) {
  if (bytes.size() < kUnitBytes) {
    fail(ErrorCode::kInvalidFile, name, ": the character map has ", bytes.size(), " bytes; expected at least 4");
  }
  const std::size_t trie_bytes = read_u32(bytes, 0);
  const std::size_t remaining = bytes.size() - kUnitBytes;
  if (trie_bytes % kUnitBytes != 0 || trie_bytes > remaining) {
    fail(ErrorCode::kInvalidFile, name, ": the character map's trie claims ", trie_bytes,
         " bytes; expected a multiple of 4 and at most the ", remaining, " that follow");
  }
  Charsmap map;
  map.trie_.resize(trie_bytes / kUnitBytes);
  for (std::size_t i = 0; i < map.trie_.size(); ++i) map.trie_[i] = read_u32(bytes, kUnitBytes * (i + 1));
  map.replacements_ = bytes.substr(kUnitBytes + trie_bytes);
  if (const auto offset = find_invalid_utf8(map.replacements_)) {
    fail(ErrorCode::kInvalidFile, name, ": the character map's replacements are not UTF-8 at byte ", *offset);
  }
  return map;
}

bool Charsmap::append_mapped(std::string& result, std::string_view chunk) const {
  const auto offset = shortest_prefix(trie_, chunk);
  if (!offset || *offset >= replacements_.size() || !is_char_boundary(replacements_, *offset)) return false;
  const std::size_t end = std::min(replacements_.find('\0', *offset), replacements_.size());
  result.append(replacements_, *offset, end - *offset);
  return true;
}

std::string Charsmap::apply(std::string_view text) const {
  std::string result;
  result.reserve(text.size());
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = grapheme_end(text, begin);
    const bool whole = end - begin < kLongClusterBytes && append_mapped(result, text.substr(begin, end - begin));
    for (std::size_t i = begin; !whole && i < end;) {
      const std::string_view character = text.substr(i, decode_char(text, i).num_bytes);
      if (!append_mapped(result, character)) result += character;
      i += character.size();
    }
    begin = end;
  }
  return result;
}

}  // namespace steadyflux::text
