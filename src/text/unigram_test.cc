#include "text/unigram.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace steadyflux::text {
namespace {

std::vector<std::int32_t> encode(const Unigram& model, std::string_view text) {
  std::vector<std::int32_t> ids;
  model.encode(text, ids);
  return ids;
}

const std::vector<Unigram::Piece> kPieces = {{"<unk>", 0},  {"a", -1},    {"b", -1},      {"ab", -3},
                                             {"abc", -1.5}, {"cd", -1.2}, {"\u00e9", -2}, {"xy", -50}};
const Unigram kModel(kPieces, 0, false);

TEST(Unigram, TakesTheSegmentationWithTheGreatestScore) {
  EXPECT_EQ(encode(kModel, "ab"), (std::vector<std::int32_t>{1, 2}));       // -2 beats -3
  EXPECT_EQ(encode(kModel, "abcd"), (std::vector<std::int32_t>{1, 2, 5}));  // -3.2; "abc" leaves an unknown "d"
  EXPECT_EQ(encode(kModel, "abc\u00e9"), (std::vector<std::int32_t>{4, 6}));
  EXPECT_TRUE(encode(kModel, "").empty());
}

TEST(Unigram, KeepsTheFirstOfEqualSegmentations) {
  const std::vector<Unigram::Piece> pieces = {{"<unk>", 0}, {"a", -1}, {"aa", -2}};
  EXPECT_EQ(encode(Unigram(pieces, 0, false), "aa"), (std::vector<std::int32_t>{2}));
}

TEST(Unigram, FusesNeighbouringUnknownCharacters) {
  EXPECT_EQ(encode(kModel, "a\u4e00\u4e01zb"), (std::vector<std::int32_t>{1, 0, 2}));
}

TEST(Unigram, ARunOfUnknownCharactersMayBeAPiece) {
  // With scores this high two unknown characters (20 each) beat the piece they spell.
  const std::vector<Unigram::Piece> pieces = {{"<unk>", 100}, {"xy", 30}};
  EXPECT_EQ(encode(Unigram(pieces, 0, false), "xy"), (std::vector<std::int32_t>{1}));
}

TEST(Unigram, FallsBackToBytesWhereTheVocabularyHasThem) {
  const std::vector<Unigram::Piece> pieces = {{"<unk>", 0}, {"<0xC3>", -1}, {"<0xA9>", -1}, {"<0x7A>", -1}};
  EXPECT_EQ(encode(Unigram(pieces, 0, true), "\u00e9z"), (std::vector<std::int32_t>{1, 2, 3}));
  EXPECT_EQ(encode(Unigram(pieces, 0, true), "zy"), (std::vector<std::int32_t>{0}));
  EXPECT_EQ(encode(Unigram(pieces, 0, false), "z"), (std::vector<std::int32_t>{0}));
}

TEST(Unigram, RefusesAnUnknownCharacterWithoutAnUnknownPiece) {
  EXPECT_THROW(encode(Unigram(kPieces, std::nullopt, false), "q"), Error);
}

}  // namespace
}  // namespace steadyflux::text
