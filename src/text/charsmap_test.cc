#include "text/charsmap.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "base/error.h"

namespace steadyflux::text {
namespace {

std::string little_endian(std::uint32_t value) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(static_cast<std::uint8_t>(value >> (8 * i))));
  return bytes;
}

// A map with the keys "a" and "\n", laid out by hand: the root leads to units 1 ^ byte, each of which has a leaf.
std::string small_map(std::uint32_t value_of_a = 0) {
  std::vector<std::uint32_t> units(1024, 0xFF);  // a label that no byte has here
  const auto put_key = [&](std::uint32_t byte, std::uint32_t leaf_offset, std::uint32_t value) {
    const std::uint32_t node = 1 ^ byte;
    units[node] = byte | 1U << 8 | leaf_offset << 10;
    units[node ^ leaf_offset] = value | 1U << 31;
  };
  units[0] = 1U << 10;
  put_key('a', 256, value_of_a);
  put_key('\n', 512, 4);
  std::string bytes = little_endian(static_cast<std::uint32_t>(units.size() * 4));
  for (const std::uint32_t unit : units) bytes += little_endian(unit);
  return bytes + std::string("b\u00e9\0 \0", 6);
}

TEST(Charsmap, ReplacesMappedCharacters) {
  EXPECT_EQ(Charsmap::parse(small_map(), "m").apply("xaay\n"), "xb\u00e9b\u00e9y ");
}

TEST(Charsmap, ReplacesAShortClusterByItsShortestPrefix) {
  EXPECT_EQ(Charsmap::parse(small_map(), "m").apply("a\u0301x"), "b\u00e9x");
}

TEST(Charsmap, MapsTheCharactersOfALongClusterOneByOne) {
  const std::string marks = "\u0301\u0302\u0303";
  EXPECT_EQ(Charsmap::parse(small_map(), "m").apply("a" + marks), "b\u00e9" + marks);
}

TEST(Charsmap, LeavesTextAloneWhenALeafPointsOutsideTheReplacements) {
  EXPECT_EQ(Charsmap::parse(small_map(1000), "m").apply("aa"), "aa");
  EXPECT_EQ(Charsmap::parse(small_map(2), "m").apply("aa"), "aa");  // the middle of a character
}

TEST(Charsmap, RefusesWrongSizes) {
  EXPECT_THROW(Charsmap::parse("abc", "m"), Error);
  EXPECT_THROW(Charsmap::parse(little_endian(8) + "abcd", "m"), Error);
  EXPECT_THROW(Charsmap::parse(little_endian(3) + "abcd", "m"), Error);
  EXPECT_THROW(Charsmap::parse(little_endian(0) + "\xff", "m"), Error);
  EXPECT_EQ(Charsmap::parse(little_endian(0), "m").apply("same"), "same");
}

}  // namespace
}  // namespace steadyflux::text
