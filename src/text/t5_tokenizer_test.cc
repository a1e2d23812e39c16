#include "text/t5_tokenizer.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "text/spiece_for_test.h"

namespace steadyflux::text {
namespace {

using Ids = std::vector<std::int32_t>;

constexpr std::string_view kModel = R"("model":{"type":"Unigram","unk_id":2,"vocab":[["<pad>",0],["</s>",0],["<unk>",0],
    ["▁",-2],["▁a",-1],["b",-1],["▁b",-1.5],["a",-3]]})";
const std::string kJson = "{" + std::string(kModel) + "}";

T5Tokenizer make(const std::string& json = kJson, const CompanionFiles& companions = {}) {
  return T5Tokenizer::parse_json({json, "tokenizer.json"}, companions);
}

TEST(T5Tokenizer, EndsAndPadsThePrompt) {
  const TokenIds tokens = make().encode(" ab  b\n", 6);
  EXPECT_EQ(tokens.ids, (Ids{4, 5, 6, 1, 0, 0}));
  EXPECT_EQ(tokens.num_tokens, 4);
  EXPECT_EQ(make().encode("", 2).ids, (Ids{1, 0}));
}

TEST(T5Tokenizer, CutsAPromptAndSaysWhat) {
  const TokenIds tokens = make().encode("a b a ab", 3);
  EXPECT_EQ(tokens.ids, (Ids{4, 6, 1}));
  EXPECT_EQ(tokens.cut, "a ab");
  EXPECT_THROW(make().encode("a", 0), Error);
}

TEST(T5Tokenizer, FusesUnknownCharactersOfAWord) { EXPECT_EQ(make().encode("axyz", 5).ids, (Ids{4, 2, 1, 0, 0})); }

TEST(T5Tokenizer, FindsSpecialTokensInThePrompt) {
  EXPECT_EQ(make().encode("a</s>b <pad>", 6).ids, (Ids{4, 1, 6, 0, 1, 0}));
}

TEST(T5Tokenizer, TheClassAddsExtraIdsBehindTheVocabulary) {
  EXPECT_EQ(make().encode("<extra_id_0><extra_id_99>", 3).ids, (Ids{8, 107, 1}));
  EXPECT_EQ(make().vocab_size(), 108);
  const CompanionFiles companions{{R"({"extra_ids":3})", "config"}, {}, {}};
  EXPECT_EQ(make(kJson, companions).vocab_size(), 11);
}

TEST(T5Tokenizer, TheClassIgnoresTheStepsOfTheFileAndTheOtherClassesDoNot) {
  const std::string json = R"({"normalizer":{"type":"Lowercase"},"pre_tokenizer":{"type":"Metaspace","replacement":"▁",
      "prepend_scheme":"never"},"post_processor":null,"padding":{"pad_token":"<pad>"},
      "added_tokens":[{"id":0,"content":"<pad>"}],)" +
                           std::string(kModel) + "}";
  EXPECT_EQ(make(json).encode("B", 4).ids, (Ids{3, 2, 1, 0}));
  const T5Tokenizer as_written = T5Tokenizer::parse_json({json, "tokenizer.json"}, {}, T5Rules::kOfFile);
  EXPECT_EQ(as_written.encode("B A", 4).ids, (Ids{5, 4, 0, 0}));
}

TEST(T5Tokenizer, FollowsTheTemplateOfTheFile) {
  const std::string json = R"({"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},
      {"Sequence":{"id":"A"}},{"SpecialToken":{"id":"</s>"}}],"special_tokens":{"<s>":{"ids":[7]},"</s>":{"ids":[1,2]}}},
      "pre_tokenizer":{"type":"Metaspace","replacement":"▁"},)" +
                           std::string(kModel) + "}";
  const CompanionFiles companions{{R"({"pad_token":"<pad>"})", "config"}, {}, {}};
  const T5Tokenizer tokenizer = T5Tokenizer::parse_json({json, "tokenizer.json"}, companions, T5Rules::kOfFile);
  EXPECT_EQ(tokenizer.encode("a b", 6).ids, (Ids{7, 4, 6, 1, 2, 0}));
  EXPECT_EQ(tokenizer.encode("a b", 4).ids, (Ids{7, 4, 1, 2}));
  EXPECT_THROW(tokenizer.encode("a", 2), Error);
}

TEST(T5Tokenizer, ReadsASentencePieceModel) {
  const std::string file = spiece_piece("<pad>", 0, 3) + spiece_piece("</s>", 0, 3) + spiece_piece("<unk>", 0, 2) +
                           spiece_piece("▁a", -1) + spiece_piece("b", -1) + spiece_piece("<user>", 0, 4);
  const T5Tokenizer tokenizer = T5Tokenizer::parse_sentencepiece({file, "spiece.model"});
  EXPECT_EQ(tokenizer.encode("ab<user>", 5).ids, (Ids{3, 4, 5, 1, 0}));
  EXPECT_EQ(tokenizer.encode("<extra_id_0> <extra_id_99>", 3).ids, (Ids{105, 6, 1}));
  EXPECT_EQ(tokenizer.vocab_size(), 106);
}

TEST(T5Tokenizer, RefusesBadFilesByName) {
  for (const char* bad :
       {"", "[]", "{}", R"({"model":{}})", R"({"model":{"type":"BPE","vocab":[]}})", R"({"model":{"vocab":[]}})",
        R"({"model":{"vocab":[["a",0],["b",0]]}})", R"({"model":{"vocab":[["a"],["b",0],["c",0]]}})",
        R"({"model":{"vocab":[["a","x"],["b",0],["c",0]]}})"}) {
    try {
      make(bad);
      FAIL() << bad;
    } catch (const Error& error) {
      EXPECT_TRUE(std::string_view(error.what()).starts_with("tokenizer.json")) << error.what();
    }
  }
  EXPECT_THROW(make(kJson, {{R"({"extra_ids":999999999})", "config"}, {}, {}}), Error);
}

TEST(T5Tokenizer, KnowsTheClassesOfTheReference) {
  EXPECT_EQ(t5_rules_of("T5TokenizerFast"), T5Rules::kOfClass);
  EXPECT_EQ(t5_rules_of("PreTrainedTokenizerFast"), T5Rules::kOfFile);
  EXPECT_THROW(t5_rules_of("LlamaTokenizer"), Error);
}

TEST(T5Tokenizer, RefusesAPromptThatIsNotUtf8) { EXPECT_THROW(make().encode("a\xff", 5), Error); }

}  // namespace
}  // namespace steadyflux::text
