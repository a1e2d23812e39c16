// Hundreds of strings against the ids that the reference gave for small tokenizers; see tools/reference.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>

#include "text/clip_tokenizer.h"
#include "text/t5_tokenizer.h"

namespace steadyflux::text {
namespace {

std::string read(const std::string& name) {
  const std::ifstream file("tests/golden/tokenizers/" + name, std::ios::binary);
  EXPECT_TRUE(file) << name;
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

// Each line of ids.txt is a list of a string and its ids, without the padding after the first padding token.
void expect_golden_ids(const std::string& name, int max_length,
                       const std::function<TokenIds(std::string_view)>& encode) {
  std::istringstream lines(read(name + "/ids.txt"));
  int num_strings = 0;
  for (std::string line; std::getline(lines, line); ++num_strings) {
    const auto golden = nlohmann::json::parse(line);
    auto expected = golden[1].get<std::vector<std::int32_t>>();
    expected.resize(static_cast<std::size_t>(max_length), expected.back());
    EXPECT_EQ(encode(golden[0].get<std::string>()).ids, expected) << golden[0];
  }
  EXPECT_GT(num_strings, 100);
}

TEST(TokenizerGolden, Clip) {
  const std::string config = read("clip/tokenizer_config.json");
  const ClipTokenizer tokenizer = ClipTokenizer::parse(
      {read("clip/vocab.json"), "vocab.json"}, {read("clip/merges.txt"), "merges.txt"}, {{config, "config"}, {}, {}});
  expect_golden_ids("clip", 77, [&](std::string_view text) { return tokenizer.encode(text, 77); });
}

void expect_golden_t5(const std::string& name, T5Rules rules) {
  const std::string config = read(name + "/tokenizer_config.json");
  const T5Tokenizer tokenizer =
      T5Tokenizer::parse_json({read(name + "/tokenizer.json"), "tokenizer.json"}, {{config, "config"}, {}, {}}, rules);
  expect_golden_ids(name, 64, [&](std::string_view text) { return tokenizer.encode(text, 64); });
}

TEST(TokenizerGolden, T5) { expect_golden_t5("t5", T5Rules::kOfClass); }
TEST(TokenizerGolden, UnigramWithCaseAndAccentsFolded) { expect_golden_t5("unigram", T5Rules::kOfFile); }
TEST(TokenizerGolden, UnigramWithNmtAndNfkc) { expect_golden_t5("unigram_nmt", T5Rules::kOfFile); }

}  // namespace
}  // namespace steadyflux::text
