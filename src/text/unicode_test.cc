#include "text/unicode.h"

#include <gtest/gtest.h>

#include "text/grapheme.h"

namespace steadyflux::text {
namespace {

TEST(Unicode, ClassifiesCharacters) {
  EXPECT_TRUE(is_letter(U'a') && is_letter(U'\u4e00') && is_letter(U'\u0e01'));
  EXPECT_FALSE(is_letter(U'1') || is_letter(U'\u0301') || is_letter(U'_'));
  EXPECT_TRUE(is_number(U'7') && is_number(U'\u0967') && is_number(U'\u00bd'));
  EXPECT_TRUE(is_space(U'\u3000') && is_space(U'\u0085') && is_space(U'\u2028'));
  EXPECT_FALSE(is_space(U'\u200b') || is_space(U'\ufeff'));
  EXPECT_TRUE(is_word(U'_') && is_word(U'\u0301') && is_word(U'\u200d'));
  EXPECT_FALSE(is_word(U'-'));
}

TEST(Unicode, KnowsCharactersYoungerThanIcu72) {
  EXPECT_TRUE(is_letter(0x1C89) && is_letter(0x2EBF0) && is_letter(0x143FA));
  EXPECT_TRUE(is_number(0x1CCF0));
  EXPECT_EQ(to_lower("\U00010D50\uA7DC\uA7CB"), "\U00010D70\u019B\u0264");
}

TEST(Unicode, LowersEachCharacterAlone) {
  EXPECT_EQ(to_lower("ABC \u00c4\u1e9e"), "abc \u00e4\u00df");
  EXPECT_EQ(to_lower("\u0130"), "i\u0307");
  EXPECT_EQ(to_lower("\u039f\u03a3"), "\u03bf\u03c3");  // no final sigma
}

TEST(Unicode, NormalFormsAreThoseOfUnicode9) {
  EXPECT_EQ(FormNormalizer(NormalForm::kNfc).apply("e\u0301"), "\u00e9");
  EXPECT_EQ(FormNormalizer(NormalForm::kNfd).apply("\u00e9\uac01"), "e\u0301\u1100\u1161\u11a8");
  EXPECT_EQ(FormNormalizer(NormalForm::kNfkc).apply("\uff21\ufb01\u00bd"), "Afi1\u20442");
  EXPECT_EQ(FormNormalizer(NormalForm::kNfkd).apply("\u1e9b\u0323"), "s\u0323\u0307");
  EXPECT_EQ(FormNormalizer(NormalForm::kNfkc).apply("\u32ff\U0001F16C"), "\u32ff\U0001F16C");  // Unicode 12
}

TEST(Unicode, MarksAreThoseOfUnicode9) {
  EXPECT_TRUE(is_combining_mark(U'\u0301') && is_combining_mark(0x1CF2));
  EXPECT_FALSE(is_combining_mark(U'a') || is_combining_mark(0x111C9) || is_combining_mark(0x0AFA));
}

std::size_t first_cluster(std::string_view text) { return grapheme_end(text, 0); }

TEST(Grapheme, FollowsTheRules) {
  EXPECT_EQ(first_cluster("ab"), 1U);
  EXPECT_EQ(first_cluster("e\u0301x"), 3U);
  EXPECT_EQ(first_cluster("\r\nx"), 2U);
  EXPECT_EQ(first_cluster("\n\u0301"), 1U);                        // a control character joins nothing
  EXPECT_EQ(first_cluster("\u1100\u1161\u11a8\u1100"), 9U);        // Hangul syllable
  EXPECT_EQ(first_cluster("\U0001F1E9\U0001F1EA\U0001F1EB"), 8U);  // one flag, then another
  EXPECT_EQ(first_cluster("\u00a9\u200d\u00a9a"), 7U);             // joined pictographs
  EXPECT_EQ(first_cluster("a\u200d\u00a9"), 4U);                   // a joiner after no pictograph
  EXPECT_EQ(first_cluster("\u00a9\u200d\u200d\u00a9"), 8U);        // two joiners join nothing after them
  EXPECT_EQ(first_cluster("\u0600a"), 3U);                         // prepended
  EXPECT_EQ(first_cluster("\u0915\u0903x"), 6U);                   // spacing mark
}

}  // namespace
}  // namespace steadyflux::text
