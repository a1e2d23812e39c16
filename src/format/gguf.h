// The GGUF container, versions 2 and 3, little endian: key-value metadata, tensor descriptions, then aligned data.
//
// Source: the format's specification in the ggml project (docs/gguf.md) and the numbers of its types in ggml.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "format/tensor_info.h"
#include "format/tensor_writer.h"
#include "io/file.h"

namespace steadyflux {

// The first four bytes of a GGUF file. No safetensors file begins like this: it would have a header of 5 GB.
inline constexpr std::string_view kGgufMagic = "GGUF";

// Whether it begins so.
bool is_gguf(const ReadableFile& file);

// An array of the metadata. The elements of short arrays of integers are kept, of others only the number: a tokenizer's
// vocabulary is not needed here.
struct GgufArray {
  std::uint64_t count = 0;
  std::vector<std::int64_t> integers;  // all of them or none
};

// Integers of all widths are one of the first two.
using GgufValue = std::variant<std::uint64_t, std::int64_t, double, bool, std::string, GgufArray>;

// For people: true, 3, "flux", 32128 elements.
std::string to_string(const GgufValue& value);

using GgufMetadata = std::map<std::string, GgufValue, std::less<>>;

struct GgufHeader {
  std::uint32_t version = 0;
  GgufMetadata metadata;
  std::vector<TensorInfo> tensors;  // in the order of their bytes in the file
};

// Reads and checks what stands before the data. Shapes are turned round: GGUF lists the innermost dimension first.
// Where metadata "comfy.gguf.orig_shape.<tensor>" states another shape of as many elements, that one holds.
// Throws Error(kInvalidFile) on every breach of the format; Error(kUnsupported) for other versions, big endian, and
// naming tensor and type for a type that this engine cannot use.
GgufHeader read_gguf_header(const ReadableFile& file);

// Writes version 3.
class GgufWriter final : public TensorWriter {
 public:
  // Puts what stands before the data, which follow in the order of `tensors`. Whole numbers that fit are written in 32
  // bits, which readers expect, and `metadata` has no arrays. Throws Error(kInvalidArgument) on a name twice, a type
  // that GGUF does not have, rows that are not whole blocks or a size that overflows, and what AtomicFile throws.
  GgufWriter(const std::filesystem::path& path, const std::vector<TensorSpec>& tensors,
             const std::map<std::string, GgufValue>& metadata);

  void write(std::string_view name, std::span<const std::byte> bytes) override;
  void commit() override;

 private:
  // The header is worded before there is a file, as SafetensorsWriter does.
  GgufWriter(const std::string& header, const std::filesystem::path& path, const std::vector<TensorSpec>& tensors);

  void pad();

  PendingTensors pending_;
  AtomicFile file_;
};

}  // namespace steadyflux
