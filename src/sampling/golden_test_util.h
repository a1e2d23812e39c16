// For this room's tests: checksums, and the lines of a file in testdata/.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <span>
#include <sstream>
#include <string>
#include <vector>

namespace steadyflux::sampling {

// CRC-32 with zlib's polynomial over the bytes of `values`, continued from `crc`.
template <typename T>
std::uint32_t crc32(const std::vector<T>& values, std::uint32_t crc = 0) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> entries{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      entries[i] = i;
      for (int bit = 0; bit < 8; ++bit) entries[i] = (entries[i] >> 1) ^ ((entries[i] & 1u) * 0xEDB88320u);
    }
    return entries;
  }();
  crc = ~crc;
  for (const std::byte byte : std::as_bytes(std::span(values))) {
    crc = (crc >> 8) ^ table[(crc ^ static_cast<std::uint32_t>(byte)) & 0xFFu];
  }
  return ~crc;
}

// The lines of testdata/`name` that are not comments, one stream each. The tests run in the repository's root.
inline std::vector<std::istringstream> golden_lines(const std::string& name) {
  std::ifstream file("src/sampling/testdata/" + name);
  EXPECT_TRUE(file.is_open()) << name;
  std::vector<std::istringstream> lines;
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("#")) lines.emplace_back(line);
  }
  return lines;
}

}  // namespace steadyflux::sampling
