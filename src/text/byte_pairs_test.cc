#include "text/byte_pairs.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "text/prefix_trie.h"

namespace steadyflux::text {
namespace {

using Ids = std::vector<std::int32_t>;

const std::vector<BytePairs::Token> kTokens = {{"a", 0},      {"b", 1},   {"a</w>", 2},    {"b</w>", 3}, {"ab", 4},
                                               {"ab</w>", 5}, {"aab", 6}, {"abab</w>", 7}, {"<unk>", 8}, {"\u0120", 9}};

BytePairs make(const std::vector<BytePairs::Merge>& merges, std::string_view unk = "<unk>") {
  return BytePairs(kTokens, merges, unk, "merges.txt");
}

Ids encode(const BytePairs& model, std::string_view word) {
  Ids ids;
  model.encode(word, ids);
  return ids;
}

TEST(BytePairs, MergesByRankThenFromTheLeft) {
  const BytePairs model = make({{"a", "b"}, {"a", "b</w>"}, {"ab", "ab</w>"}, {"a", "ab"}});
  EXPECT_EQ(encode(model, "ab"), (Ids{5}));
  EXPECT_EQ(encode(model, "abab"), (Ids{7}));
  EXPECT_EQ(encode(model, "aaba"), (Ids{6, 2}));
  EXPECT_EQ(encode(model, "a"), (Ids{2}));
  EXPECT_TRUE(encode(model, "").empty());
}

TEST(BytePairs, TheLastOfEqualMergesCounts) {
  const BytePairs late = make({{"a", "b"}, {"a", "ab"}, {"a", "b</w>"}, {"a", "b"}});
  EXPECT_EQ(encode(late, "aab"), (Ids{0, 5}));
}

TEST(BytePairs, AByteWithoutATokenIsUnknown) {
  const BytePairs model = make({{"a", "b"}});
  EXPECT_EQ(encode(model, "azzb"), (Ids{0, 8, 8, 3}));
  EXPECT_EQ(encode(model, " a"), (Ids{9, 2}));  // a space has a written form of its own
  EXPECT_THROW(encode(make({}, "<none>"), "z"), Error);
}

TEST(BytePairs, DecodesBytesAndWordEnds) {
  const BytePairs model = make({});
  EXPECT_EQ(model.decode(5), "ab ");
  EXPECT_EQ(model.decode(9), " ");
  EXPECT_EQ(model.decode(99), "");
  EXPECT_EQ(model.find("aab"), 6);
  EXPECT_EQ(model.find("zz"), PrefixTrie::kNone);
  EXPECT_EQ(model.end_id(), 10);
}

TEST(BytePairs, RefusesMergesOutsideTheVocabulary) {
  EXPECT_THROW(make({{"a", "x"}}), Error);
  EXPECT_THROW(make({{"b", "a"}}), Error);
}

}  // namespace
}  // namespace steadyflux::text
