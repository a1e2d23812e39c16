#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <sstream>
#include <tuple>
#include <utility>

#include "base/checked.h"
#include "base/error.h"
#include "format/gguf.h"
#include "format/gguf_types.h"
#include "format/printable.h"

namespace steadyflux {
namespace {

static_assert(std::endian::native == std::endian::little, "values are taken from the file as they stand there");

// Far above the header of any model with its tokenizer.
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
constexpr std::uint64_t kMaxStringBytes = 1 << 20;
constexpr std::size_t kMaxRank = 4;  // of the format
constexpr std::uint64_t kUsualAlignment = 32;
constexpr int kMaxArrayDepth = 4;

// The least that a key with its value, and the description of a tensor, take.
constexpr std::uint64_t kMinPairBytes = 8 + 4 + 1;
constexpr std::uint64_t kMinTensorBytes = 8 + 4 + 4 + 8;

constexpr std::string_view kAlignmentKey = "general.alignment";
constexpr std::string_view kOriginalShapePrefix = "comfy.gguf.orig_shape.";

// Reads a header value by value through a buffer; where it ends is not known before.
class Cursor {
 public:
  explicit Cursor(const ReadableFile& file) : file_(file), limit_(std::min(file.size(), kMaxHeaderBytes)) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t remaining() const { return limit_ - position_; }

  template <typename T>
  T take(std::string_view what) {
    T value;
    read(std::as_writable_bytes(std::span(&value, 1)), what);
    return value;
  }

  // A number of bytes, then the bytes.
  std::string take_string(std::string_view what) {
    const auto length = take<std::uint64_t>(what);
    require(length, what);
    if (length > kMaxStringBytes) {
      fail(ErrorCode::kInvalidFile, file_.name(), ": ", what, " at byte ", position_, " has ", length,
           " bytes; at most ", kMaxStringBytes, " are read");
    }
    std::string text(length, '\0');
    read(std::as_writable_bytes(std::span(text)), what);
    return text;
  }

  void skip(std::uint64_t count, std::string_view what) {
    require(count, what);
    position_ += count;
  }

 private:
  void require(std::uint64_t count, std::string_view what) const {
    if (count <= remaining()) return;
    if (limit_ < file_.size()) {
      fail(ErrorCode::kInvalidFile, file_.name(), " has a header of more than ", kMaxHeaderBytes,
           " bytes; it is not the GGUF file of a model");
    }
    fail(ErrorCode::kInvalidFile, file_.name(), " is truncated or damaged: ", what, " needs ", count,
         " bytes from byte ", position_, " on, but ", remaining(), " are left");
  }

  void read(std::span<std::byte> out, std::string_view what) {
    require(out.size(), what);
    while (!out.empty()) {
      if (position_ < begin_ || position_ >= begin_ + filled_) fill();
      const auto at = static_cast<std::size_t>(position_ - begin_);
      const std::size_t count = std::min(out.size(), filled_ - at);
      std::memcpy(out.data(), buffer_.data() + at, count);
      out = out.subspan(count);
      position_ += count;
    }
  }

  void fill() {
    begin_ = position_;
    filled_ = static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), remaining()));
    file_.read(begin_, std::span(buffer_).first(filled_));
  }

  const ReadableFile& file_;
  std::uint64_t limit_;
  std::uint64_t position_ = 0;
  std::array<std::byte, std::size_t{64} << 10> buffer_ = {};
  std::uint64_t begin_ = 0;  // where in the file the buffer begins
  std::size_t filled_ = 0;
};

class HeaderParser {
 public:
  explicit HeaderParser(const ReadableFile& file) : file_(file), in_(file) {}

  GgufHeader parse() {
    read_preamble();
    const auto num_tensors = in_.take<std::uint64_t>("the number of tensors");
    const auto num_pairs = in_.take<std::uint64_t>("the number of metadata keys");
    check_count(num_pairs, kMinPairBytes, "metadata keys");
    for (std::uint64_t i = 0; i < num_pairs; ++i) read_pair();
    check_count(num_tensors, kMinTensorBytes, "tensors");
    for (std::uint64_t i = 0; i < num_tensors; ++i) read_tensor();
    place_tensors(align(in_.position()));
    return std::move(header_);
  }

 private:
  template <typename... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorCode::kInvalidFile, file_.name(), ": ", parts...);
  }

  void read_preamble() {
    std::array<char, kGgufMagic.size()> magic = {};
    for (char& c : magic) c = in_.take<char>("the magic number");
    if (std::string_view(magic.data(), magic.size()) != kGgufMagic) refuse("it is not a GGUF file");
    header_.version = in_.take<std::uint32_t>("the version");
    if (header_.version == 2 || header_.version == 3) return;
    const bool big_endian = header_.version != 0 && (header_.version & 0xFFFFu) == 0;
    fail(ErrorCode::kUnsupported, file_.name(), big_endian ? " is a big-endian GGUF file" : " is of GGUF version ",
         big_endian ? "" : std::to_string(header_.version), "; versions 2 and 3 in little endian are supported");
  }

  // Every entry has bytes of its own, so a count that the rest cannot hold is refused before anything is done for it.
  void check_count(std::uint64_t count, std::uint64_t least_bytes, std::string_view what) const {
    if (count <= in_.remaining() / least_bytes) return;
    refuse("it claims ", count, " ", what, ", but only ", in_.remaining(), " bytes follow");
  }

  void read_pair() {
    const std::string key = in_.take_string("a metadata key");
    const auto type = static_cast<GgufType>(in_.take<std::uint32_t>("the type of a metadata value"));
    const auto [it, added] = header_.metadata.try_emplace(key);
    if (!added) refuse("metadata \"", printable(key), "\" is there twice");
    it->second = read_value(key, type, 0);
  }

  GgufValue read_value(const std::string& key, GgufType type, int depth) {
    constexpr std::string_view kWhat = "a metadata value";
    switch (type) {
      case GgufType::kU8:
        return std::uint64_t{in_.take<std::uint8_t>(kWhat)};
      case GgufType::kU16:
        return std::uint64_t{in_.take<std::uint16_t>(kWhat)};
      case GgufType::kU32:
        return std::uint64_t{in_.take<std::uint32_t>(kWhat)};
      case GgufType::kU64:
        return in_.take<std::uint64_t>(kWhat);
      case GgufType::kI8:
        return std::int64_t{in_.take<std::int8_t>(kWhat)};
      case GgufType::kI16:
        return std::int64_t{in_.take<std::int16_t>(kWhat)};
      case GgufType::kI32:
        return std::int64_t{in_.take<std::int32_t>(kWhat)};
      case GgufType::kI64:
        return in_.take<std::int64_t>(kWhat);
      case GgufType::kF32:
        return double{in_.take<float>(kWhat)};
      case GgufType::kF64:
        return in_.take<double>(kWhat);
      case GgufType::kBool:
        return in_.take<std::uint8_t>(kWhat) != 0;
      case GgufType::kString:
        return in_.take_string(kWhat);
      case GgufType::kArray:
        return read_array(key, depth + 1);
    }
    refuse("metadata \"", printable(key), "\" is of the unknown type ", static_cast<std::uint32_t>(type));
  }

  GgufArray read_array(const std::string& key, int depth) {
    if (depth > kMaxArrayDepth) refuse("metadata \"", printable(key), "\" nests arrays too deep");
    const auto type = static_cast<GgufType>(in_.take<std::uint32_t>("the type of an array"));
    GgufArray array{in_.take<std::uint64_t>("the length of an array"), {}};
    if (const std::uint64_t value_bytes = gguf_value_bytes(type); value_bytes > 0) {
      if (array.count > kMaxFileRank) {
        const auto bytes = checked_mul(array.count, value_bytes);
        in_.skip(bytes.value_or(std::numeric_limits<std::uint64_t>::max()), "an array");
        return array;
      }
      for (std::uint64_t i = 0; i < array.count; ++i) keep_integer(read_value(key, type, depth), array);
      if (array.integers.size() != array.count) array.integers.clear();
      return array;
    }
    // Strings have 8 bytes at least, and arrays 12; a count beyond that ends at the end of the file.
    for (std::uint64_t i = 0; i < array.count; ++i) {
      if (type == GgufType::kString) {
        in_.skip(in_.take<std::uint64_t>("a string of an array"), "a string of an array");
      } else {
        read_value(key, type, depth);
      }
    }
    return array;
  }

  static void keep_integer(const GgufValue& value, GgufArray& array) {
    if (const auto* number = std::get_if<std::int64_t>(&value)) array.integers.push_back(*number);
    const auto* number = std::get_if<std::uint64_t>(&value);
    if (number != nullptr && *number <= std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
      array.integers.push_back(static_cast<std::int64_t>(*number));
    }
  }

  void read_tensor() {
    TensorInfo tensor;
    tensor.name = in_.take_string("the name of a tensor");
    if (!names_.insert(tensor.name).second) refuse("tensor \"", printable(tensor.name), "\" is there twice");
    const auto rank = in_.take<std::uint32_t>("the rank of a tensor");
    if (rank > kMaxRank) refuse("tensor \"", printable(tensor.name), "\" has ", rank, " dimensions; 4 is the most");
    for (std::uint32_t i = 0; i < rank; ++i) {
      const auto extent = in_.take<std::uint64_t>("a dimension of a tensor");
      if (extent > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
        refuse("tensor \"", printable(tensor.name), "\" has a dimension of ", extent);
      }
      tensor.shape.push_back(static_cast<std::int64_t>(extent));
    }
    std::reverse(tensor.shape.begin(), tensor.shape.end());
    tensor.dtype = known_dtype(tensor.name, in_.take<std::uint32_t>("the type of a tensor"));
    tensor.num_bytes = checked_bytes(tensor);
    tensor.offset = in_.take<std::uint64_t>("the offset of a tensor");
    restore_shape(tensor);
    header_.tensors.push_back(std::move(tensor));
  }

  DType known_dtype(const std::string& tensor, std::uint32_t type) const {
    if (const auto dtype = dtype_of_gguf(type)) return *dtype;
    const std::string_view name = gguf_type_name(type);
    if (name.empty()) refuse("tensor \"", printable(tensor), "\" is of the unknown type ", type);
    fail(ErrorCode::kUnsupported, file_.name(), ": tensor \"", printable(tensor), "\" is of type ", name,
         ", which this engine does not read");
  }

  // Of the shape, whose rows must be whole blocks.
  std::uint64_t checked_bytes(const TensorInfo& tensor) const {
    const BlockShape block = block_shape(tensor.dtype);
    const std::int64_t row = tensor.shape.empty() ? 1 : tensor.shape.back();
    if (row % block.elements != 0) {
      refuse("tensor \"", printable(tensor.name), "\" has rows of ", row, " elements, but ", dtype_name(tensor.dtype),
             " comes in blocks of ", block.elements);
    }
    std::optional<std::uint64_t> num_bytes = checked_mul(static_cast<std::uint64_t>(row / block.elements), block.bytes);
    for (std::size_t i = 0; i + 1 < tensor.shape.size(); ++i) {
      if (num_bytes) num_bytes = checked_mul(*num_bytes, static_cast<std::uint64_t>(tensor.shape[i]));
    }
    if (!num_bytes) refuse("tensor \"", printable(tensor.name), "\" has a shape whose size overflows");
    return *num_bytes;
  }

  void restore_shape(TensorInfo& tensor) const {
    const auto found = header_.metadata.find(std::string(kOriginalShapePrefix) + tensor.name);
    if (found == header_.metadata.end()) return;
    const auto* const array = std::get_if<GgufArray>(&found->second);
    TensorInfo original = tensor;
    if (array != nullptr) original.shape = array->integers;
    const bool usable = array != nullptr && array->integers.size() == array->count && array->count > 0 &&
                        std::all_of(original.shape.begin(), original.shape.end(), [](std::int64_t n) { return n > 0; });
    if (!usable || checked_bytes(original) != tensor.num_bytes) {
      refuse("metadata \"", printable(found->first), "\" is not a shape of the tensor's ", tensor.num_bytes, " bytes");
    }
    tensor.shape = std::move(original.shape);
  }

  std::uint64_t align(std::uint64_t position) {
    alignment_ = kUsualAlignment;
    if (const auto found = header_.metadata.find(kAlignmentKey); found != header_.metadata.end()) {
      const auto* const number = std::get_if<std::uint64_t>(&found->second);
      alignment_ = number != nullptr ? *number : 0;
      if (!std::has_single_bit(alignment_) || alignment_ > kMaxHeaderBytes) {
        refuse("metadata \"", kAlignmentKey, "\" is ", to_string(found->second), ", not a power of two");
      }
    }
    return align_up(position, alignment_);
  }

  // Makes offsets absolute and checks that the tensors lie apart from each other and within the file.
  void place_tensors(std::uint64_t data_begin) {
    std::sort(header_.tensors.begin(), header_.tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
      return std::tie(a.offset, a.num_bytes, a.name) < std::tie(b.offset, b.num_bytes, b.name);
    });
    const std::uint64_t data_bytes = file_.size() > data_begin ? file_.size() - data_begin : 0;
    std::uint64_t end = 0;
    for (TensorInfo& tensor : header_.tensors) {
      if (tensor.offset % alignment_ != 0) {
        refuse("tensor \"", printable(tensor.name), "\" begins at byte ", tensor.offset,
               " of the data, which is not a multiple of the alignment ", alignment_);
      }
      if (tensor.offset < end) {
        refuse("tensor \"", printable(tensor.name), "\" begins at byte ", tensor.offset,
               " of the data, inside another that ends at ", end);
      }
      if (tensor.offset > data_bytes || tensor.num_bytes > data_bytes - tensor.offset) {
        fail(ErrorCode::kInvalidFile, file_.name(), " is truncated: tensor \"", printable(tensor.name), "\" takes ",
             tensor.num_bytes, " bytes from byte ", tensor.offset, " of the data on, which has ", data_bytes);
      }
      end = tensor.offset + tensor.num_bytes;
      tensor.offset += data_begin;
    }
  }

  const ReadableFile& file_;
  Cursor in_;
  GgufHeader header_;
  std::set<std::string> names_;
  std::uint64_t alignment_ = kUsualAlignment;
};

}  // namespace

bool is_gguf(const ReadableFile& file) {
  std::array<char, kGgufMagic.size()> magic = {};
  if (file.size() < magic.size()) return false;
  file.read(0, std::as_writable_bytes(std::span(magic)));
  return std::string_view(magic.data(), magic.size()) == kGgufMagic;
}

std::string to_string(const GgufValue& value) {
  std::ostringstream text;
  text << std::boolalpha;
  std::visit(
      [&](const auto& content) {
        if constexpr (std::is_same_v<std::decay_t<decltype(content)>, GgufArray>) {
          text << content.count << " elements";
        } else {
          text << content;
        }
      },
      value);
  return text.str();
}

GgufHeader read_gguf_header(const ReadableFile& file) { return HeaderParser(file).parse(); }

}  // namespace steadyflux
