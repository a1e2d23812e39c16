#include "text/added_tokens.h"

#include <gtest/gtest.h>

#include "text/unicode.h"

namespace steadyflux::text {
namespace {

constexpr auto lower = [](std::string_view text) { return Normalized{to_lower(text)}; };

constexpr auto find_none = [](std::string_view) { return PrefixTrie::kNone; };

// The tokens as "<id>" and the texts between bars; a text at the origin of the prompt has a "^" before it.
std::string split(const AddedTokens& added, std::string_view prompt) {
  std::string result;
  added.split(
      prompt, lower, [&](std::int32_t id) { result += "<" + std::to_string(id) + ">"; },
      [&](std::string_view text, bool at_origin) { result.append(at_origin ? "^|" : "|").append(text).append("|"); });
  return result;
}

AddedTokens make(std::vector<AddedToken> tokens) { return AddedTokens(std::move(tokens), 10, find_none, lower); }

TEST(AddedTokens, AreCutOutLongestFirst) {
  const AddedTokens added = make({{.content = "<a>"}, {.content = "<a><b>"}});
  EXPECT_EQ(split(added, "x<a>Y<a><b><a"), "^|x|<10>|y|<11>|<a|");
  EXPECT_EQ(split(added, ""), "");
  EXPECT_EQ(added.end_id(), 12);
  EXPECT_EQ(added.find("<a><b>"), 11);
  EXPECT_EQ(added.text(10), "<a>");
}

TEST(AddedTokens, ThoseNotNormalizedAreFoundAsWritten) {
  const AddedTokens added = make({{.content = "<End>"}, {.content = "<Start>", .normalized = true}});
  EXPECT_EQ(split(added, "<End><end><START><start>"), "<10>|<end>|<11><11>");
}

TEST(AddedTokens, StripWhiteSpaceAroundThem) {
  const AddedTokens added = make({{.content = "<l>", .lstrip = true}, {.content = "<r>", .rstrip = true}});
  EXPECT_EQ(split(added, "a \t<l> b <r> \u3000c"), "^|a|<10>| b |<11>|c|");
  EXPECT_EQ(split(added, "<r> <l>"), "<11><10>");
}

TEST(AddedTokens, SingleWordsTouchNoWordCharacter) {
  const AddedTokens added = make({{.content = "cat", .single_word = true}});
  EXPECT_EQ(split(added, "cat cats \u00e9cat cat."), "<10>| cats \u00e9cat |<10>|.|");
}

TEST(AddedTokens, KeepTheIdTheModelHasForThem) {
  const auto find = [](std::string_view content) { return content == "</s>" ? 1 : PrefixTrie::kNone; };
  const AddedTokens added({{.content = "<x>"}, {.content = "</s>"}, {.content = "<y>"}, {.content = ""}}, 5, find,
                          lower);
  EXPECT_EQ(added.find("</s>"), 1);
  EXPECT_EQ(added.find("<y>"), 6);
  EXPECT_EQ(added.end_id(), 7);
}

TEST(AddedTokens, TheLastFlagsOfATokenCount) {
  const AddedTokens added = make({{.content = "<a>", .normalized = true}, {.content = "<a>"}});
  EXPECT_EQ(split(added, "<A><a>"), "^|<a>|<10>");
}

}  // namespace
}  // namespace steadyflux::text
