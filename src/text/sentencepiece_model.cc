#include "text/sentencepiece_model.h"

#include <bit>
#include <cmath>

#include "base/error.h"
#include "text/utf8.h"

namespace steadyflux::text {
namespace {

// Field numbers of sentencepiece_model.proto.
constexpr std::uint64_t kModelPieces = 1;
constexpr std::uint64_t kModelTrainerSpec = 2;
constexpr std::uint64_t kModelNormalizerSpec = 3;
constexpr std::uint64_t kPieceText = 1;
constexpr std::uint64_t kPieceScore = 2;
constexpr std::uint64_t kPieceType = 3;
constexpr std::uint64_t kTrainerModelType = 3;
constexpr std::uint64_t kNormalizerCharsmap = 2;
constexpr std::uint64_t kUnigramModel = 1;

// One field of a protobuf message: a number for the scalar wire types, bytes for the delimited one.
struct Field {
  std::uint64_t number = 0;
  int wire_type = 0;
  std::uint64_t value = 0;
  std::string_view bytes = {};
};

constexpr int kVarint = 0;
constexpr int kFixed64 = 1;
constexpr int kDelimited = 2;
constexpr int kFixed32 = 5;

// Walks the fields of one message.
class WireReader {
 public:
  WireReader(std::string_view message, std::string_view file) : rest_(message), file_(file) {}

  bool at_end() const { return rest_.empty(); }

  Field next() {
    const std::uint64_t key = read_varint();
    Field field{.number = key >> 3, .wire_type = static_cast<int>(key & 7)};
    switch (field.wire_type) {
      case kVarint:
        field.value = read_varint();
        break;
      case kFixed64:
        field.value = read_fixed(8);
        break;
      case kDelimited:
        field.bytes = read_bytes(read_varint());
        break;
      case kFixed32:
        field.value = read_fixed(4);
        break;
      default:
        fail(ErrorCode::kInvalidFile, file_, ": protobuf wire type ", field.wire_type,
             " is unknown; expected a sentencepiece model");
    }
    return field;
  }

 private:
  std::string_view read_bytes(std::uint64_t size) {
    if (size > rest_.size()) {
      fail(ErrorCode::kInvalidFile, file_, ": a protobuf field claims ", size, " bytes, but ", rest_.size(),
           " remain; the file is truncated or not a sentencepiece model");
    }
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }

  std::uint64_t read_fixed(std::size_t size) {
    const std::string_view bytes = read_bytes(size);
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value |= std::uint64_t{static_cast<std::uint8_t>(bytes[i])} << (8 * i);
    return value;
  }

  std::uint64_t read_varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::uint64_t byte = read_fixed(1);
      value |= (byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    fail(ErrorCode::kInvalidFile, file_, ": a protobuf number is longer than 10 bytes");
  }

  std::string_view rest_;
  std::string_view file_;
};

void require_wire_type(const Field& field, int expected, std::string_view file) {
  if (field.wire_type != expected) {
    fail(ErrorCode::kInvalidFile, file, ": protobuf field ", field.number, " has wire type ", field.wire_type,
         "; expected ", expected);
  }
}

SentencePieceModel::Type piece_type(std::uint64_t value, std::string_view file) {
  if (value < 1 || value > 6) fail(ErrorCode::kInvalidFile, file, ": a piece has type ", value, "; expected 1 to 6");
  return static_cast<SentencePieceModel::Type>(value);
}

SentencePieceModel::Piece parse_piece(std::string_view message, std::string_view file) {
  SentencePieceModel::Piece piece;
  for (WireReader reader(message, file); !reader.at_end();) {
    const Field field = reader.next();
    if (field.number == kPieceText) {
      require_wire_type(field, kDelimited, file);
      piece.text = field.bytes;
    } else if (field.number == kPieceScore) {
      require_wire_type(field, kFixed32, file);
      piece.score = std::bit_cast<float>(static_cast<std::uint32_t>(field.value));
    } else if (field.number == kPieceType) {
      require_wire_type(field, kVarint, file);
      piece.type = piece_type(field.value, file);
    }
  }
  if (find_invalid_utf8(piece.text)) fail(ErrorCode::kInvalidFile, file, ": a piece's text is not UTF-8");
  if (!std::isfinite(piece.score)) fail(ErrorCode::kInvalidFile, file, ": a piece's score is not finite");
  return piece;
}

void require_unigram(std::string_view trainer_spec, std::string_view file) {
  std::uint64_t model_type = kUnigramModel;
  for (WireReader reader(trainer_spec, file); !reader.at_end();) {
    const Field field = reader.next();
    if (field.number == kTrainerModelType) model_type = field.value;
  }
  if (model_type != kUnigramModel) {
    fail(ErrorCode::kUnsupported, file, ": sentencepiece model type ", model_type,
         " is not supported; expected 1 (Unigram)");
  }
}

std::string_view find_charsmap_field(std::string_view normalizer_spec, std::string_view file) {
  std::string_view charsmap;
  for (WireReader reader(normalizer_spec, file); !reader.at_end();) {
    const Field field = reader.next();
    if (field.number != kNormalizerCharsmap) continue;
    require_wire_type(field, kDelimited, file);
    charsmap = field.bytes;
  }
  return charsmap;
}

}  // namespace

SentencePieceModel parse_sentencepiece_model(const SourceText& source) {
  SentencePieceModel model;
  for (WireReader reader(source.text, source.name); !reader.at_end();) {
    const Field field = reader.next();
    if (field.number > kModelNormalizerSpec) continue;
    require_wire_type(field, kDelimited, source.name);
    if (field.number == kModelPieces) {
      model.pieces.push_back(parse_piece(field.bytes, source.name));
    } else if (field.number == kModelTrainerSpec) {
      require_unigram(field.bytes, source.name);
    } else if (field.number == kModelNormalizerSpec) {
      model.charsmap = find_charsmap_field(field.bytes, source.name);
    }
  }
  if (model.pieces.empty()) fail(ErrorCode::kInvalidFile, source.name, ": the sentencepiece model has no pieces");
  return model;
}

}  // namespace steadyflux::text
