#include "text/normalizer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace steadyflux::text {
namespace {

using nlohmann::json;

Normalized run(const char* normalizer, std::string_view text) {
  return normalize(text, parse_normalizer(json::parse(normalizer), "tokenizer.json"));
}

TEST(Normalizer, RunsEachKnownStep) {
  EXPECT_EQ(run("null", "As is").text, "As is");
  EXPECT_EQ(run(R"({"type":"NFKC"})", "\uff21").text, "A");
  EXPECT_EQ(run(R"({"type":"Lowercase"})", "\u00c4b").text, "\u00e4b");
  EXPECT_EQ(run(R"({"type":"StripAccents"})", "e\u0301\u0302a").text, "ea");
  EXPECT_EQ(run(R"({"type":"Prepend","prepend":"_"})", "a").text, "_a");
  EXPECT_EQ(run(R"({"type":"Prepend","prepend":"_"})", "").text, "");
  EXPECT_EQ(run(R"({"type":"Nmt"})", "a\x01\x7f\u200b\tb").text, "a  b");
}

TEST(Normalizer, StripsTheSidesAskedFor) {
  EXPECT_EQ(run(R"({"type":"Strip","strip_left":true,"strip_right":true})", " \u3000a b\n").text, "a b");
  EXPECT_EQ(run(R"({"type":"Strip","strip_left":false,"strip_right":true})", " a ").text, " a");
  EXPECT_EQ(run(R"({"type":"Strip","strip_left":true,"strip_right":false})", " a ").text, "a ");
  EXPECT_EQ(run(R"({"type":"Strip","strip_left":true,"strip_right":true})", " \t ").text, "");
  EXPECT_EQ(run(R"({"type":"Strip","strip_left":false,"strip_right":true})", "  ").text, "");
}

TEST(Normalizer, ReplacesStringsAndRuns) {
  EXPECT_EQ(run(R"({"type":"Replace","pattern":{"String":"ab"},"content":"x"})", "ababa").text, "xxa");
  EXPECT_EQ(run(R"({"type":"Replace","pattern":{"Regex":" {2,}"},"content":"_"})", "a b  c   d").text, "a b_c_d");
  EXPECT_EQ(run(R"({"type":"Replace","pattern":{"Regex":"\\s+"},"content":" "})", "a\n\u3000b\tc").text, "a b c");
}

TEST(Normalizer, RunsASequenceInOrder) {
  EXPECT_EQ(run(R"({"type":"Sequence","normalizers":[{"type":"Lowercase"},
                    {"type":"Replace","pattern":{"String":"a"},"content":"B"}]})",
                "Aa")
                .text,
            "BB");
}

TEST(Normalizer, TellsWhetherTheTextStillStartsThePrompt) {
  EXPECT_TRUE(run(R"({"type":"Strip","strip_left":true,"strip_right":true})", "a ").starts_at_origin);
  EXPECT_FALSE(run(R"({"type":"Strip","strip_left":true,"strip_right":true})", " a").starts_at_origin);
  EXPECT_FALSE(run(R"({"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "})", "  a").starts_at_origin);
  EXPECT_TRUE(run(R"({"type":"Replace","pattern":{"Regex":" +"},"content":" "})", " a").starts_at_origin);
  EXPECT_FALSE(run(R"({"type":"Nmt"})",
                   "\x01"
                   "a")
                   .starts_at_origin);
}

TEST(Normalizer, RefusesWhatItDoesNotKnowByName) {
  for (const char* unknown :
       {R"({"type":"BertNormalizer"})", R"({"type":"Sequence","normalizers":[{"type":"ByteLevel"}]})",
        R"({"type":"Replace","pattern":{"Regex":"[a-z]+"},"content":""})"}) {
    try {
      run(unknown, "a");
      FAIL() << unknown;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    }
  }
  EXPECT_THROW(run(R"({"type":"Precompiled","precompiled_charsmap":"!"})", "a"), Error);
  EXPECT_THROW(run(R"({"no":"type"})", "a"), Error);
}

TEST(Normalizer, RefusesNestingWithoutEnd) {
  std::string nested = R"({"type":"NFC"})";
  for (int i = 0; i < 100; ++i) nested = R"({"type":"Sequence","normalizers":[)" + nested + "]}";
  EXPECT_THROW(run(nested.c_str(), "a"), Error);
}

}  // namespace
}  // namespace steadyflux::text
