#include "text/utf8.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace steadyflux::text {
namespace {

TEST(Utf8, DecodesAndEncodesEveryLength) {
  for (const char32_t c : {U'\0', U'a', U'\u00e9', U'\u20ac', U'\uffff', U'\U0001F600', U'\U0010FFFF'}) {
    const std::string text = to_utf8(c);
    EXPECT_FALSE(find_invalid_utf8(text));
    EXPECT_EQ(decode_char(text, 0).code_point, c);
    EXPECT_EQ(decode_char(text, 0).num_bytes, text.size());
  }
}

TEST(Utf8, FindsTheFirstMalformedByte) {
  EXPECT_EQ(find_invalid_utf8("ab\xff"), 2U);
  EXPECT_EQ(find_invalid_utf8("a\xc0\x80"), 1U);         // overlong
  EXPECT_EQ(find_invalid_utf8("\xe0\x80\x80"), 0U);      // overlong
  EXPECT_EQ(find_invalid_utf8("\xed\xa0\x80"), 0U);      // surrogate
  EXPECT_EQ(find_invalid_utf8("\xf4\x90\x80\x80"), 0U);  // past U+10FFFF
  EXPECT_EQ(find_invalid_utf8("\xf0\x80\x80\x80"), 0U);  // overlong
  EXPECT_EQ(find_invalid_utf8("ok\xe2\x82"), 2U);        // cut off
  EXPECT_EQ(find_invalid_utf8("\xe2\x28\xa1"), 0U);      // no continuation
  EXPECT_EQ(find_invalid_utf8("\u00e9\U0001F600"), std::nullopt);
}

TEST(Utf8, RefusesAMalformedPromptByItsOffset) {
  try {
    require_utf8_prompt("cat \xff");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("byte 4"), std::string::npos);
  }
}

TEST(Utf8, MakesAnyBytesReadable) { EXPECT_EQ(make_readable("a\xffz\xe2\x82"), "a\uFFFDz\uFFFD\uFFFD"); }

TEST(Utf8, CountsCharacters) { EXPECT_EQ(count_chars("a\u00e9\U0001F600"), 3U); }

}  // namespace
}  // namespace steadyflux::text
