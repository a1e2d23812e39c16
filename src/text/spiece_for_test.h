// Writes sentencepiece model files, field by field, for tests.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace steadyflux::text {

inline std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(static_cast<std::uint8_t>(value | 0x80)));
  bytes.push_back(static_cast<char>(static_cast<std::uint8_t>(value)));
  return bytes;
}

inline std::string varint_field(std::uint64_t number, std::uint64_t value) {
  return varint(number << 3) + varint(value);
}

inline std::string delimited_field(std::uint64_t number, std::string_view bytes) {
  return varint(number << 3 | 2) + varint(bytes.size()) + std::string(bytes);
}

inline std::string float_field(std::uint64_t number, float value) {
  std::string bytes = varint(number << 3 | 5);
  const auto bits = std::bit_cast<std::uint32_t>(value);
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(static_cast<std::uint8_t>(bits >> (8 * i))));
  return bytes;
}

// Type 1 is normal, 2 unknown, 3 control, 4 user-defined.
inline std::string spiece_piece(std::string_view text, float score, std::uint64_t type = 1) {
  return delimited_field(1, delimited_field(1, text) + float_field(2, score) + varint_field(3, type));
}

inline std::string spiece_charsmap(std::string_view bytes) { return delimited_field(3, delimited_field(2, bytes)); }

}  // namespace steadyflux::text
