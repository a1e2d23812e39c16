#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <set>
#include <span>
#include <utility>

#include "base/checked.h"
#include "base/error.h"
#include "format/gguf.h"
#include "format/gguf_cursor.h"
#include "format/gguf_metadata.h"
#include "format/gguf_types.h"
#include "format/printable.h"

namespace steadyflux {
namespace {

// The least that a key with its value, and the description of a tensor, take.
constexpr std::uint64_t kMinPairBytes = 8 + 4 + 1;
constexpr std::uint64_t kMinTensorBytes = 8 + 4 + 4 + 8;

constexpr std::string_view kAlignmentKey = "general.alignment";
constexpr std::string_view kOriginalShapePrefix = "comfy.gguf.orig_shape.";

class HeaderParser {
 public:
  explicit HeaderParser(const ReadableFile& file) : file_(file), in_(file) {}

  GgufHeader parse() {
    read_preamble();
    const auto num_tensors = in_.take<std::uint64_t>("the number of tensors");
    const auto num_pairs = in_.take<std::uint64_t>("the number of metadata keys");
    check_count(num_pairs, kMinPairBytes, "metadata keys");
    header_.metadata = read_gguf_metadata(in_, num_pairs);
    check_count(num_tensors, kMinTensorBytes, "tensors");
    for (std::uint64_t i = 0; i < num_tensors; ++i) read_tensor();
    place_tensors(align(in_.position()));
    return std::move(header_);
  }

 private:
  void read_preamble() {
    std::array<char, kGgufMagic.size()> magic = {};
    for (char& c : magic) c = in_.take<char>("the magic number");
    if (std::string_view(magic.data(), magic.size()) != kGgufMagic) in_.refuse("it is not a GGUF file");
    header_.version = in_.take<std::uint32_t>("the version");
    if (header_.version == 2 || header_.version == 3) return;
    const bool big_endian = header_.version != 0 && (header_.version & 0xFFFFu) == 0;
    fail(ErrorCode::kUnsupported, file_.name(), big_endian ? " is a big-endian GGUF file" : " is of GGUF version ",
         big_endian ? "" : std::to_string(header_.version), "; versions 2 and 3 in little endian are supported");
  }

  // Every entry has bytes of its own, so a count that the rest cannot hold is refused before anything is done for it.
  void check_count(std::uint64_t count, std::uint64_t least_bytes, std::string_view what) const {
    if (count <= in_.remaining() / least_bytes) return;
    in_.refuse("it claims ", count, " ", what, ", but only ", in_.remaining(), " bytes follow");
  }

  void read_tensor() {
    TensorInfo tensor;
    tensor.name = in_.take_string("the name of a tensor");
    if (!names_.insert(tensor.name).second) in_.refuse("tensor \"", printable(tensor.name), "\" is there twice");
    const auto rank = in_.take<std::uint32_t>("the rank of a tensor");
    if (rank > kGgufMaxRank) {
      in_.refuse("tensor \"", printable(tensor.name), "\" has ", rank, " dimensions; ", kGgufMaxRank, " is the most");
    }
    for (std::uint32_t i = 0; i < rank; ++i) {
      const auto extent = in_.take<std::uint64_t>("a dimension of a tensor");
      if (extent > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
        in_.refuse("tensor \"", printable(tensor.name), "\" has a dimension of ", extent);
      }
      tensor.shape.push_back(static_cast<std::int64_t>(extent));
    }
    std::reverse(tensor.shape.begin(), tensor.shape.end());
    tensor.dtype = known_dtype(tensor.name, in_.take<std::uint32_t>("the type of a tensor"));
    tensor.num_bytes = bytes_of_shape(tensor);
    tensor.offset = in_.take<std::uint64_t>("the offset of a tensor");
    restore_shape(tensor);
    header_.tensors.push_back(std::move(tensor));
  }

  DType known_dtype(const std::string& tensor, std::uint32_t type) const {
    if (const auto dtype = dtype_of_gguf(type)) return *dtype;
    const std::string_view name = gguf_type_name(type);
    if (name.empty()) in_.refuse("tensor \"", printable(tensor), "\" is of the unknown type ", type);
    fail(ErrorCode::kUnsupported, file_.name(), ": tensor \"", printable(tensor), "\" is of type ", name,
         ", which this engine does not read");
  }

  // Of the shape, whose rows must be whole blocks.
  std::uint64_t bytes_of_shape(const TensorInfo& tensor) const {
    const std::int64_t row = row_length(tensor.shape);
    const std::int64_t block = block_shape(tensor.dtype).elements;
    if (row % block != 0) {
      in_.refuse("tensor \"", printable(tensor.name), "\" has rows of ", row, " elements, but ",
                 dtype_name(tensor.dtype), " comes in blocks of ", block);
    }
    if (const auto num_bytes = checked_bytes(tensor.dtype, tensor.shape)) return *num_bytes;
    in_.refuse("tensor \"", printable(tensor.name), "\" has a shape whose size overflows");
  }

  void restore_shape(TensorInfo& tensor) const {
    const auto found = header_.metadata.find(std::string(kOriginalShapePrefix) + tensor.name);
    if (found == header_.metadata.end()) return;
    const auto* const array = std::get_if<GgufArray>(&found->second);
    TensorInfo original = tensor;
    if (array != nullptr) original.shape = array->integers;
    const bool usable = array != nullptr && array->integers.size() == array->count && array->count > 0 &&
                        std::all_of(original.shape.begin(), original.shape.end(), [](std::int64_t n) { return n > 0; });
    if (!usable || bytes_of_shape(original) != tensor.num_bytes) {
      in_.refuse("metadata \"", printable(found->first), "\" is not a shape of the tensor's ", tensor.num_bytes,
                 " bytes");
    }
    tensor.shape = std::move(original.shape);
  }

  std::uint64_t align(std::uint64_t position) {
    alignment_ = kGgufAlignment;
    if (const auto found = header_.metadata.find(kAlignmentKey); found != header_.metadata.end()) {
      const auto* const number = std::get_if<std::uint64_t>(&found->second);
      alignment_ = number != nullptr ? *number : 0;
      if (!std::has_single_bit(alignment_) || alignment_ > kGgufMaxHeaderBytes) {
        in_.refuse("metadata \"", kAlignmentKey, "\" is ", printable(to_string(found->second)), ", not a power of two");
      }
    }
    return align_up(position, alignment_);
  }

  // Makes offsets absolute and checks that the tensors lie apart from each other and within the file.
  void place_tensors(std::uint64_t data_begin) {
    sort_by_place(header_.tensors);
    const std::uint64_t data_bytes = file_.size() > data_begin ? file_.size() - data_begin : 0;
    std::uint64_t end = 0;
    for (TensorInfo& tensor : header_.tensors) {
      if (tensor.offset % alignment_ != 0) {
        in_.refuse("tensor \"", printable(tensor.name), "\" begins at byte ", tensor.offset,
                   " of the data, which is not a multiple of the alignment ", alignment_);
      }
      if (tensor.offset < end) {
        in_.refuse("tensor \"", printable(tensor.name), "\" begins at byte ", tensor.offset,
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
  GgufCursor in_;
  GgufHeader header_;
  std::set<std::string> names_;
  std::uint64_t alignment_ = kGgufAlignment;
};

}  // namespace

bool is_gguf(const ReadableFile& file) {
  std::array<char, kGgufMagic.size()> magic = {};
  if (file.size() < magic.size()) return false;
  file.read(0, std::as_writable_bytes(std::span(magic)));
  return std::string_view(magic.data(), magic.size()) == kGgufMagic;
}

GgufHeader read_gguf_header(const ReadableFile& file) { return HeaderParser(file).parse(); }

}  // namespace steadyflux
