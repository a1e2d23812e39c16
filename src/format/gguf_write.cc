#include <array>
#include <limits>
#include <set>
#include <span>
#include <type_traits>

#include "base/checked.h"
#include "base/error.h"
#include "format/gguf.h"
#include "format/gguf_types.h"

namespace steadyflux {
namespace {

constexpr std::uint32_t kVersion = 3;

// Appends values as the file has them; the machine is little endian, as gguf_cursor.cc makes sure of.
class Header {
 public:
  template <typename T>
  void put(T value) {
    text_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void put(GgufType type) { put(static_cast<std::uint32_t>(type)); }
  void put_string(std::string_view value) {
    put(std::uint64_t{value.size()});
    text_.append(value);
  }
  void put_magic() { text_.append(kGgufMagic); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void put_value(Header& header, const GgufValue& value) {
  std::visit(
      [&](const auto& content) {
        using Content = std::decay_t<decltype(content)>;
        if constexpr (std::is_same_v<Content, std::string>) {
          header.put(GgufType::kString);
          header.put_string(content);
        } else if constexpr (std::is_same_v<Content, bool>) {
          header.put(GgufType::kBool);
          header.put(static_cast<std::uint8_t>(content));
        } else if constexpr (std::is_same_v<Content, double>) {
          header.put(GgufType::kF64);
          header.put(content);
        } else if constexpr (std::is_same_v<Content, std::uint64_t>) {
          const bool fits = content <= std::numeric_limits<std::uint32_t>::max();
          header.put(fits ? GgufType::kU32 : GgufType::kU64);
          fits ? header.put(static_cast<std::uint32_t>(content)) : header.put(content);
        } else if constexpr (std::is_same_v<Content, std::int64_t>) {
          header.put(GgufType::kI64);
          header.put(content);
        } else {
          fail(ErrorCode::kInternal, "arrays of metadata are not written");
        }
      },
      value);
}

std::uint64_t tensor_bytes(const TensorSpec& tensor) {
  const std::int64_t row = row_length(tensor.shape);
  if (tensor.shape.size() > kGgufMaxRank || row % block_shape(tensor.dtype).elements != 0 ||
      !gguf_of_dtype(tensor.dtype)) {
    fail(ErrorCode::kInvalidArgument, "a GGUF file cannot hold the tensor \"", tensor.name, "\" of type ",
         dtype_name(tensor.dtype), " and rank ", tensor.shape.size(), " with rows of ", row, " elements");
  }
  if (const auto num_bytes = checked_bytes(tensor.dtype, tensor.shape)) return *num_bytes;
  fail(ErrorCode::kInvalidArgument, "tensor \"", tensor.name, "\" has a negative or overflowing shape");
}

std::string header_text(const std::vector<TensorSpec>& tensors, const std::map<std::string, GgufValue>& metadata) {
  Header header;
  header.put_magic();
  header.put(kVersion);
  header.put(std::uint64_t{tensors.size()});
  header.put(std::uint64_t{metadata.size()});
  for (const auto& [key, value] : metadata) {
    header.put_string(key);
    put_value(header, value);
  }
  std::set<std::string_view> names;
  std::uint64_t offset = 0;
  for (const TensorSpec& tensor : tensors) {
    if (!names.insert(tensor.name).second) {
      fail(ErrorCode::kInvalidArgument, "the tensor name \"", tensor.name, "\" is taken");
    }
    header.put_string(tensor.name);
    header.put(static_cast<std::uint32_t>(tensor.shape.size()));
    for (auto extent = tensor.shape.rbegin(); extent != tensor.shape.rend(); ++extent) {
      header.put(static_cast<std::uint64_t>(*extent));
    }
    const auto end = checked_add(offset, tensor_bytes(tensor));
    if (!end || *end > std::numeric_limits<std::uint64_t>::max() - kGgufAlignment) {
      fail(ErrorCode::kInvalidArgument, "the tensors up to \"", tensor.name, "\" have too many bytes");
    }
    header.put(*gguf_of_dtype(tensor.dtype));
    header.put(offset);
    offset = align_up(*end, kGgufAlignment);
  }
  return header.text();
}

}  // namespace

GgufWriter::GgufWriter(const std::filesystem::path& path, const std::vector<TensorSpec>& tensors,
                       const std::map<std::string, GgufValue>& metadata)
    : GgufWriter(header_text(tensors, metadata), path, tensors) {}

GgufWriter::GgufWriter(const std::string& header, const std::filesystem::path& path,
                       const std::vector<TensorSpec>& tensors)
    : file_(path) {
  for (const TensorSpec& tensor : tensors) pending_.add(tensor.name, tensor_bytes(tensor));
  file_.write(header);
}

void GgufWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  if (pending_.advance(name, bytes.size())) pad();
  file_.write(bytes);
}

void GgufWriter::commit() {
  pending_.check_complete();
  pad();
  file_.commit();
}

void GgufWriter::pad() {
  constexpr std::array<std::byte, kGgufAlignment> kZeros = {};
  file_.write(std::span(kZeros).first(align_up(file_.num_bytes(), kGgufAlignment) - file_.num_bytes()));
}

}  // namespace steadyflux
