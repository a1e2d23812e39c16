// The safetensors container: 8 bytes of header length (little endian), a JSON header, then the tensors' bytes.
//
// Source: the format's specification in the README of the safetensors project. A file is accepted only when every byte
// after the header belongs to exactly one tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/tensor_info.h"
#include "format/tensor_writer.h"
#include "io/file.h"

namespace steadyflux {

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // in the order of their bytes in the file
  std::map<std::string, std::string> metadata;
};

// Reads and checks the header alone. Throws Error(kInvalidFile) on every breach of the format, saying how many bytes
// are missing when the file is truncated; Error(kUnsupported) naming dtype and tensor for a dtype this build cannot
// use.
SafetensorsHeader read_safetensors_header(const ReadableFile& file);

class SafetensorsWriter final : public TensorWriter {
 public:
  // Puts the header; the tensors' bytes follow in the order of `tensors`, aligned to their dtype when it runs from wide
  // to narrow dtypes. Throws Error(kInvalidArgument) on a name twice, a quantised type, which the format does not have,
  // or a size that overflows, and what AtomicFile throws.
  SafetensorsWriter(const std::filesystem::path& path, std::vector<TensorSpec> tensors,
                    const std::map<std::string, std::string>& metadata = {});

  void write(std::string_view name, std::span<const std::byte> bytes) override;
  void commit() override;

 private:
  // The header is worded before there is a file: where memory runs out in that, nothing half-written can be left.
  SafetensorsWriter(const std::string& header, const std::filesystem::path& path, std::vector<TensorSpec>&& tensors);

  PendingTensors pending_;
  AtomicFile file_;
};

struct TensorBytes {
  TensorSpec spec;
  std::span<const std::byte> bytes;
};

// The whole file at once, for tensors that are in memory.
void write_safetensors(const std::filesystem::path& path, std::span<const TensorBytes> tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace steadyflux
