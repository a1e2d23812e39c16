// Files: positional reads straight into the caller's memory, and writes that appear whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "platform/file_handle.h"

namespace steadyflux {

// A file of fixed size, read at any offset. Thread rule: every member may be called from any thread at any time.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;

  // What errors call the file: its path.
  virtual const std::string& name() const = 0;

  // Size in bytes when it was opened.
  virtual std::uint64_t size() const = 0;

  // Fills all of `out` with the bytes that start at `offset`. Throws Error(kIo) with file and offset when the system
  // refuses, Error(kInvalidFile) when the file ends first. Allocates nothing unless it throws.
  void read(std::uint64_t offset, std::span<std::byte> out) const;

  // The same for whole blocks, the last of which may reach past the end of the file: fills `out` up to there, and what
  // lies beyond is left undefined.
  void read_blocks(std::uint64_t offset, std::span<std::byte> out) const;

  // What the system says of the file now. A file is no longer what it was when this differs.
  virtual FileIdentity identity() const = 0;

 private:
  // Reads between 1 and out.size() bytes; 0 only at the end of the file. Throws Error(kIo).
  virtual std::size_t read_some(std::uint64_t offset, std::span<std::byte> out) const = 0;
};

// Opens a regular file through the page cache. Throws Error(kNotFound) when there is none, Error(kIo) when it is a
// directory or other special file, or may not be read.
std::unique_ptr<ReadableFile> open_file(const std::filesystem::path& path);

// The whole content of `file`; Error(kInvalidFile) when it is larger than `max_bytes`, before anything is allocated.
std::string read_whole_file(const ReadableFile& file, std::uint64_t max_bytes);
std::string read_whole_file(const std::filesystem::path& path, std::uint64_t max_bytes);

// Makes `to` the same bytes as `from`, links followed, whole or not at all. Throws what open_file, reading and
// AtomicFile throw.
void copy_whole_file(const std::filesystem::path& from, const std::filesystem::path& to);

// Where encoders put their bytes.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  // Appends all of `bytes` or throws Error.
  virtual void write(std::span<const std::byte> bytes) = 0;
};

// A new file that appears under its name only when it is complete: written beside it under a hidden name, then synced
// and renamed. Destroyed without commit(), it leaves no trace. Thread rule: one thread at a time.
class AtomicFile final : public ByteSink {
 public:
  // A symbolic link at `path` is followed. Throws Error(kIo) naming `path` when the directory is missing or not
  // writable, Error(kInvalidArgument) when `path` is a directory or a device.
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile() override;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Throws Error(kIo) naming the path, e.g. when the disk is full.
  void write(std::span<const std::byte> bytes) override;
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

  std::uint64_t num_bytes() const { return num_bytes_; }

  // Makes the file durable and visible, replacing an earlier one. Call once, last. Throws Error(kIo).
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  FileHandle handle_;
  std::uint64_t num_bytes_ = 0;
};

}  // namespace steadyflux
