#include <cctype>
#include <utility>

#include "base/checked.h"
#include "base/error.h"
#include "format/json.h"
#include "format/safetensors.h"

namespace steadyflux {
namespace {

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kAlignmentBytes = 8;

std::string upper_dtype_name(DType dtype) {
  std::string name(dtype_name(dtype));
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

std::uint64_t tensor_bytes(const TensorSpec& tensor) {
  if (is_quantised(tensor.dtype)) {
    fail(ErrorCode::kInvalidArgument, "a safetensors file cannot hold the tensor \"", tensor.name, "\" of type ",
         dtype_name(tensor.dtype));
  }
  if (const auto num_bytes = checked_bytes(tensor.dtype, tensor.shape)) return *num_bytes;
  fail(ErrorCode::kInvalidArgument, "tensor \"", tensor.name, "\" has a negative or overflowing shape");
}

// The JSON text, padded with spaces so that the data begin aligned.
std::string header_text(const std::vector<TensorSpec>& tensors, const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const TensorSpec& tensor : tensors) {
    if (header.contains(tensor.name) || tensor.name == "__metadata__") {
      fail(ErrorCode::kInvalidArgument, "the tensor name \"", tensor.name, "\" is taken");
    }
    const auto end = checked_add(offset, tensor_bytes(tensor));
    if (!end) fail(ErrorCode::kInvalidArgument, "the tensors up to \"", tensor.name, "\" have too many bytes");
    header[tensor.name] = {
        {"dtype", upper_dtype_name(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {offset, *end}}};
    offset = *end;
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::type_error&) {
    fail(ErrorCode::kInvalidArgument, "a tensor's name or the metadata is not UTF-8");
  }
  text.resize(align_up(text.size(), kAlignmentBytes), ' ');
  return text;
}

std::string length_bytes(std::uint64_t length) {
  std::string bytes;
  for (std::size_t i = 0; i < kLengthBytes; ++i) bytes += static_cast<char>((length >> (8 * i)) & 0xFF);
  return bytes;
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path, std::vector<TensorSpec> tensors,
                                     const std::map<std::string, std::string>& metadata)
    : SafetensorsWriter(header_text(tensors, metadata), path, std::move(tensors)) {}

SafetensorsWriter::SafetensorsWriter(const std::string& header, const std::filesystem::path& path,
                                     std::vector<TensorSpec>&& tensors)
    : file_(path) {
  for (TensorSpec& tensor : tensors) {
    const std::uint64_t num_bytes = tensor_bytes(tensor);
    pending_.add(std::move(tensor.name), num_bytes);
  }
  file_.write(length_bytes(header.size()));
  file_.write(header);
}

void SafetensorsWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  pending_.advance(name, bytes.size());
  file_.write(bytes);
}

void SafetensorsWriter::commit() {
  pending_.check_complete();
  file_.commit();
}

void write_safetensors(const std::filesystem::path& path, std::span<const TensorBytes> tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<TensorSpec> specs;
  for (const TensorBytes& tensor : tensors) specs.push_back(tensor.spec);
  SafetensorsWriter writer(path, std::move(specs), metadata);
  for (const TensorBytes& tensor : tensors) writer.write(tensor.spec.name, tensor.bytes);
  writer.commit();
}

}  // namespace steadyflux
