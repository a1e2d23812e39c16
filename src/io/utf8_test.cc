#include "io/utf8.h"

#include <gtest/gtest.h>

namespace steadyflux {
namespace {

TEST(Utf8, AcceptsEveryLength) {
  for (const char* text : {"", "plain", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xEF\xBF\xBF", "\xF0\x90\x80\x80",
                           "\xF4\x8F\xBF\xBF", "caf\xC3\xA9 \xE7\x8C\xAB \xF0\x9F\x90\x88"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
}

TEST(Utf8, RefusesOverlongSurrogateTruncatedAndStrayBytes) {
  for (const char* text :
       {"\x80", "\xC0\xAF", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80", "\xFF", "\xC3", "\xE7\x8C", "\xF0\x9F\x90", "\xC3x"}) {
    EXPECT_FALSE(is_utf8(text)) << text;
  }
}

TEST(Utf8, Latin1KeepsItsCodePoints) {
  EXPECT_EQ(latin1_to_utf8("caf\xE9"), "caf\xC3\xA9");
  EXPECT_EQ(latin1_to_utf8("\xA0\xFF"), "\xC2\xA0\xC3\xBF");
}

}  // namespace
}  // namespace steadyflux
