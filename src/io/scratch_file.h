// A file without a name for what does not fit in memory: written once from front to back, read at any offset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "platform/file_handle.h"

namespace steadyflux {

// Gone when it is destroyed, and after a crash too where the system lets an open file lose its name.
// Thread rule: one thread.
class ScratchFile {
 public:
  // Throws Error(kIo) naming the directory when nothing can be created in it.
  explicit ScratchFile(const std::filesystem::path& directory);
  ~ScratchFile();
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  // Throws Error(kIo), e.g. when the disk is full.
  void append(std::span<const std::byte> bytes);
  // Fills all of `out`, which lies within what was appended.
  void read(std::uint64_t offset, std::span<std::byte> out) const;

  std::uint64_t num_bytes() const { return num_bytes_; }

 private:
  std::filesystem::path path_;
  FileHandle writer_;
  FileHandle reader_;
  std::uint64_t num_bytes_ = 0;
};

}  // namespace steadyflux
