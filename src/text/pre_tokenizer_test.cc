#include "text/pre_tokenizer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace steadyflux::text {
namespace {

using nlohmann::json;
using Pieces = std::vector<std::string>;

Pieces run(const char* pre_tokenizer, std::string_view text, bool at_origin = true) {
  return PreTokenizer::parse(json::parse(pre_tokenizer), "tokenizer.json").split(text, at_origin);
}

TEST(PreTokenizer, T5MarksEveryWord) {
  EXPECT_EQ(PreTokenizer::t5().split(" a  bc\t\u3000d ", true), (Pieces{"\u2581a", "\u2581bc", "\u2581d"}));
  EXPECT_EQ(PreTokenizer::t5().split("\u2581a\u2581\u2581b", false), (Pieces{"\u2581a", "\u2581", "\u2581b"}));
  EXPECT_EQ(PreTokenizer::t5().split("  ", true), Pieces{});
}

TEST(PreTokenizer, MetaspacePrependsByItsScheme) {
  const char* first = R"({"type":"Metaspace","replacement":"_","prepend_scheme":"first"})";
  EXPECT_EQ(run(first, "a b", true), (Pieces{"_a", "_b"}));
  EXPECT_EQ(run(first, "a b", false), (Pieces{"a", "_b"}));
  EXPECT_EQ(run(R"({"type":"Metaspace","replacement":"_","prepend_scheme":"never"})", "a b"), (Pieces{"a", "_b"}));
  EXPECT_EQ(run(R"({"type":"Metaspace","replacement":"_"})", "a b", false), (Pieces{"_a", "_b"}));
  EXPECT_EQ(run(R"({"type":"Metaspace","replacement":"_","split":false})", "a b"), (Pieces{"_a_b"}));
  EXPECT_EQ(run("null", "a b"), (Pieces{"a b"}));
}

TEST(PreTokenizer, RefusesWhatItDoesNotKnow) {
  EXPECT_THROW(run(R"({"type":"Punctuation"})", "a"), Error);
  EXPECT_THROW(run(R"({"type":"Metaspace","replacement":"ab"})", "a"), Error);
  EXPECT_THROW(run(R"({"type":"Metaspace","replacement":"_","prepend_scheme":"last"})", "a"), Error);
  EXPECT_THROW(run(R"({"type":"Metaspace","replacement":"_","prepend_scheme":"first","add_prefix_space":false})", "a"),
               Error);
}

std::string clip(std::string_view text) {
  std::string joined;
  for (const std::string_view word : split_clip_words(text)) joined.append(word).append("|");
  return joined;
}

TEST(ClipWords, AreLettersDigitsAndTheRest) {
  EXPECT_EQ(clip("a cat, 35mm!!"), "a|cat|,|3|5|mm|!!|");
  EXPECT_EQ(clip("don't i'll 's ''s 'x"), "don|'t|i|'ll|'s|''|s|'|x|");
  EXPECT_EQ(clip("e\u0301\u4e00\u00bd\U0001F600"), "e|\u0301|\u4e00|\u00bd|\U0001F600|");
  EXPECT_EQ(clip(" \n "), "");
}

TEST(ClipWords, CutTheLiteralsOfSpecialTokensInThree) {
  EXPECT_EQ(clip("<|endoftext|>!!"), "<||endoftext||>|!!|");
  EXPECT_EQ(clip("!<|endoftext|>!!"), "!<||endoftext||>!!|");
  EXPECT_EQ(clip("<|startoftext"), "<||startoftext|");
}

}  // namespace
}  // namespace steadyflux::text
