// The file of a sentencepiece model (spiece.model): the few fields that tokenizing needs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/token_ids.h"

namespace steadyflux::text {

// sentencepiece_model.proto's ModelProto, in protobuf's wire format.
struct SentencePieceModel {
  enum class Type : std::uint8_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

  struct Piece {
    std::string_view text;  // borrowed from the file
    float score = 0;
    Type type = Type::kNormal;
  };

  std::vector<Piece> pieces;
  std::string_view charsmap;  // precompiled, empty when there is none; borrowed from the file
};

// Throws Error(kInvalidFile) when the wire format, a size in it or a piece's text is wrong, Error(kUnsupported) for a
// model that is not Unigram. `source.text` must outlive the result.
SentencePieceModel parse_sentencepiece_model(const SourceText& source);

}  // namespace steadyflux::text
