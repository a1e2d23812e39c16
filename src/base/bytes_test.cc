#include "base/bytes.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace steadyflux {
namespace {

TEST(ParseBytes, ReadsUnitsAsPowersOf1024) {
  EXPECT_EQ(parse_bytes("0"), 0u);
  EXPECT_EQ(parse_bytes("123"), 123u);
  EXPECT_EQ(parse_bytes("4k"), 4096u);
  EXPECT_EQ(parse_bytes("512M"), 512u << 20);
  EXPECT_EQ(parse_bytes("8G"), 8ull << 30);
  EXPECT_EQ(parse_bytes("1.5GiB"), 3ull << 29);
  EXPECT_EQ(parse_bytes("2 TB"), 2ull << 40);
}

TEST(ParseBytes, RefusesWhatIsNotASize) {
  for (const char* text : {"", "G", "-1G", "8X", "8GG", "1e9", "nan", "inf", "8 G B", "99999999999T"}) {
    EXPECT_THROW(parse_bytes(text), Error) << text;
  }
}

TEST(FormatBytes, KeepsThreePlaces) {
  EXPECT_EQ(format_bytes(742), "742 B");
  EXPECT_EQ(format_bytes(3ull << 29), "1.50 GiB");
  EXPECT_EQ(format_bytes(512ull << 20), "512 MiB");
  EXPECT_EQ(format_bytes(10ull << 10), "10.0 KiB");
}

TEST(FormatApart, ShowsThatCountsDiffer) {
  const auto expect_texts = [](std::uint64_t a, std::uint64_t b, const char* first, const char* second) {
    const BytesApart texts = format_apart(a, b);
    EXPECT_EQ(texts.first, first);
    EXPECT_EQ(texts.second, second);
  };
  expect_texts(3ull << 29, 1ull << 30, "1.50 GiB", "1.00 GiB");
  expect_texts(2048ull << 20, 2046ull << 20, "2048 MiB", "2046 MiB");
  expect_texts((2ull << 30) + 1, 2ull << 30, "2147483649 B", "2147483648 B");
  expect_texts(2ull << 30, 2ull << 30, "2.00 GiB", "2.00 GiB");
  expect_texts((9ull << 20) + 2048, 9ull << 20, "9218 KiB", "9216 KiB");
}

}  // namespace
}  // namespace steadyflux
