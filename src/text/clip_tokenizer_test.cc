#include "text/clip_tokenizer.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace steadyflux::text {
namespace {

using Ids = std::vector<std::int32_t>;

constexpr std::string_view kVocabulary =
    R"({"a":0,"b":1,"a</w>":2,"b</w>":3,"ab</w>":4,"!</w>":5,"<|startoftext|>":6,"<|endoftext|>":7})";
constexpr std::string_view kMerges = "#version: 0.2\r\na b</w>\r\n";

ClipTokenizer make(const CompanionFiles& companions = {}) {
  return ClipTokenizer::parse({kVocabulary, "vocab.json"}, {kMerges, "merges.txt"}, companions);
}

TEST(ClipTokenizer, FramesAndPadsThePrompt) {
  const TokenIds tokens = make().encode(" AB  a!", 8);
  EXPECT_EQ(tokens.ids, (Ids{6, 4, 2, 5, 7, 7, 7, 7}));
  EXPECT_EQ(tokens.num_tokens, 5);
  EXPECT_EQ(tokens.cut, "");
  EXPECT_EQ(make().encode("", 3).ids, (Ids{6, 7, 7}));
}

TEST(ClipTokenizer, CutsAPromptAndSaysWhat) {
  const TokenIds tokens = make().encode("ab ab a ! b", 5);
  EXPECT_EQ(tokens.ids, (Ids{6, 4, 4, 2, 7}));
  EXPECT_EQ(tokens.num_tokens, 5);
  EXPECT_EQ(tokens.cut, "! b");
  EXPECT_THROW(make().encode("a", 1), Error);
}

TEST(ClipTokenizer, FindsSpecialTokensAsWrittenUnlessTheConfigNormalizesThem) {
  EXPECT_EQ(make().encode("<|startoftext|>a", 4).ids, (Ids{6, 6, 2, 7}));
  EXPECT_EQ(make().encode("<|STARTOFTEXT|>", 20).ids[1], 7);  // unknown bytes
  const CompanionFiles companions{
      {R"({"added_tokens_decoder":{"6":{"content":"<|startoftext|>","normalized":true,"special":true}}})", "config"},
      {},
      {}};
  EXPECT_EQ(make(companions).encode("<|STARTOFTEXT|>a", 4).ids, (Ids{6, 6, 2, 7}));
}

TEST(ClipTokenizer, TakesThePaddingTokenFromTheConfig) {
  const CompanionFiles companions{{R"({"pad_token":"!</w>"})", "config"}, {}, {}};
  EXPECT_EQ(make(companions).encode("a", 5).ids, (Ids{6, 2, 7, 5, 5}));
}

TEST(ClipTokenizer, NumbersNewTokensBehindTheVocabulary) {
  const CompanionFiles companions{{R"({"extra_special_tokens":["<new>"]})", "config"}, {}, {}};
  EXPECT_EQ(make(companions).encode("<new>", 3).ids, (Ids{6, 8, 7}));
  EXPECT_EQ(make(companions).vocab_size(), 9);
  EXPECT_EQ(make().vocab_size(), 8);
}

TEST(ClipTokenizer, ReadsATokenizerJson) {
  const std::string json = R"({"added_tokens":[{"id":6,"content":"<|startoftext|>","normalized":false},
      {"id":7,"content":"<|endoftext|>","normalized":false}],"normalizer":{"type":"Whatever"},
      "model":{"type":"BPE","vocab":)" +
                           std::string(kVocabulary) + R"(,"merges":[["a","b</w>"]]}})";
  EXPECT_EQ(ClipTokenizer::parse_json({json, "tokenizer.json"}).encode("AB a", 5).ids, (Ids{6, 4, 2, 7, 7}));
}

TEST(ClipTokenizer, RefusesBadFilesByName) {
  const auto message = [](std::string_view vocabulary, std::string_view merges, const CompanionFiles& companions = {}) {
    try {
      ClipTokenizer::parse({vocabulary, "vocab.json"}, {merges, "merges.txt"}, companions);
      return std::string();
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  EXPECT_TRUE(message("[]", kMerges).starts_with("vocab.json"));
  EXPECT_TRUE(message("{", kMerges).starts_with("vocab.json"));
  EXPECT_TRUE(message("{}", kMerges).starts_with("vocab.json"));
  EXPECT_TRUE(message(R"({"a":-1})", kMerges).starts_with("vocab.json"));
  EXPECT_TRUE(message(R"({"a":1.5})", kMerges).starts_with("vocab.json"));
  EXPECT_TRUE(message(kVocabulary, "a b c\n").starts_with("merges.txt"));
  EXPECT_TRUE(message(kVocabulary, "a b</w>\n\n").starts_with("merges.txt"));
  EXPECT_TRUE(message(kVocabulary, "b a\n").starts_with("merges.txt"));
  EXPECT_TRUE(message(kVocabulary, kMerges, {{R"({"padding_side":"left"})", "config"}, {}, {}}).starts_with("config"));
  EXPECT_TRUE(message(kVocabulary, kMerges, {{R"({"eos_token":3})", "config"}, {}, {}}).starts_with("config"));
}

TEST(ClipTokenizer, RefusesAPromptThatIsNotUtf8) { EXPECT_THROW(make().encode("a\xff", 5), Error); }

}  // namespace
}  // namespace steadyflux::text
