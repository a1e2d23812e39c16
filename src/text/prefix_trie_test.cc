#include "text/prefix_trie.h"

#include <gtest/gtest.h>

#include <utility>

namespace steadyflux::text {
namespace {

using Found = std::vector<std::pair<std::size_t, std::int32_t>>;

Found prefixes(const PrefixTrie& trie, std::string_view text) {
  Found found;
  trie.for_each_prefix(text, [&](std::size_t num_bytes, std::int32_t value) { found.emplace_back(num_bytes, value); });
  return found;
}

TEST(PrefixTrie, FindsEveryPrefixShortestFirst) {
  const PrefixTrie trie({{"ab", 1}, {"abcd", 2}, {"b", 3}, {"a", 4}, {"\xff", 5}});
  EXPECT_EQ(prefixes(trie, "abcde"), (Found{{1, 4}, {2, 1}, {4, 2}}));
  EXPECT_EQ(prefixes(trie, "\xff"), (Found{{1, 5}}));
  EXPECT_EQ(prefixes(trie, "cab"), Found{});
  EXPECT_EQ(trie.longest_prefix("abc").num_bytes, 2U);
  EXPECT_EQ(trie.longest_prefix("x").value, PrefixTrie::kNone);
}

TEST(PrefixTrie, FindsWholeKeysOnly) {
  const PrefixTrie trie({{"abc", 7}, {"a", 1}});
  EXPECT_EQ(trie.find("abc"), 7);
  EXPECT_EQ(trie.find("ab"), PrefixTrie::kNone);
  EXPECT_EQ(trie.find(""), PrefixTrie::kNone);
  EXPECT_EQ(PrefixTrie().find("a"), PrefixTrie::kNone);
}

TEST(PrefixTrie, TheLastOfEqualKeysCounts) {
  EXPECT_EQ(PrefixTrie({{"a", 1}, {"b", 2}, {"a", 3}, {"", 4}}).find("a"), 3);
}

}  // namespace
}  // namespace steadyflux::text
