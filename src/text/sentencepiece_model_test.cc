#include "text/sentencepiece_model.h"

#include <gtest/gtest.h>

#include <bit>

#include "base/error.h"
#include "text/spiece_for_test.h"

namespace steadyflux::text {
namespace {

using Type = SentencePieceModel::Type;

TEST(SentencePieceModel, ReadsPiecesAndCharacterMap) {
  const std::string file = spiece_piece("a", -1.5F) + spiece_piece("</s>", 0, 3) + spiece_charsmap("map") +
                           delimited_field(2, varint_field(3, 1)) + varint_field(9, 5);
  const SentencePieceModel model = parse_sentencepiece_model({file, "spiece.model"});
  ASSERT_EQ(model.pieces.size(), 2U);
  EXPECT_EQ(model.pieces[0].text, "a");
  EXPECT_EQ(model.pieces[0].score, -1.5F);
  EXPECT_EQ(model.pieces[0].type, Type::kNormal);
  EXPECT_EQ(model.pieces[1].type, Type::kControl);
  EXPECT_EQ(model.charsmap, "map");
}

TEST(SentencePieceModel, RefusesBrokenFiles) {
  const std::string whole = spiece_piece("abc", -1);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THROW(parse_sentencepiece_model({whole.substr(0, size), "spiece.model"}), Error) << size;
  }
  for (const std::string& broken :
       {spiece_piece("\xff", -1), spiece_piece("a", -1, 9), spiece_piece("a", std::bit_cast<float>(0x7F800000U)),
        whole + varint_field(1, 3), whole + std::string(11, '\xff'), whole + std::string("\x0b")}) {
    EXPECT_THROW(parse_sentencepiece_model({broken, "spiece.model"}), Error);
  }
}

TEST(SentencePieceModel, RefusesModelsThatAreNotUnigram) {
  const std::string file = spiece_piece("a", -1) + delimited_field(2, varint_field(3, 2));
  try {
    parse_sentencepiece_model({file, "spiece.model"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  }
}

}  // namespace
}  // namespace steadyflux::text
