// An open file of the operating system: the few calls that io/ needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "platform/file_identity.h"

namespace steadyflux {

// Owns one open file, or none after being moved from or closed. Thread rule: read_some, size_bytes and identity may be
// called from any thread; the rest from one at a time. Every Error is kIo and names the path unless said otherwise.
class FileHandle {
 public:
  FileHandle() = default;

  // Opens a regular file to read. Error(kNotFound) when it is absent; Error(kIo) when it is a directory, a device, or
  // access is refused.
  static FileHandle open_to_read(const std::filesystem::path& path);

  // The same past the page cache: offsets, lengths and addresses of reads must be multiples of 4096. Returns an empty
  // handle when the file system does not do that.
  static FileHandle open_to_read_direct(const std::filesystem::path& path);

  // Creates a file that must not exist, to write. Returns an empty handle when it does exist.
  static FileHandle create_new(const std::filesystem::path& path);

  // Opens whatever is at `path`, a device for instance, to write.
  static FileHandle open_to_write(const std::filesystem::path& path);

  ~FileHandle();
  FileHandle(FileHandle&& other) noexcept;
  FileHandle& operator=(FileHandle&& other) noexcept;

  bool is_open() const { return native_ != kNone; }

  std::uint64_t size_bytes(const std::filesystem::path& path) const;

  // What the system says of the file now, whatever its path leads to by now.
  FileIdentity identity(const std::filesystem::path& path) const;

  // Reads between 1 and out.size() bytes at `offset`; 0 only at the end of the file (or when `out` is empty).
  // `path` is for the error alone.
  std::size_t read_some(std::uint64_t offset, std::span<std::byte> out, const std::filesystem::path& path) const;

  // Lets the page cache forget a range that was read. Advice: nothing depends on it.
  void drop_cached(std::uint64_t offset, std::uint64_t num_bytes) const;

  // Appends all of `bytes`.
  void write_all(std::span<const std::byte> bytes, const std::filesystem::path& path);

  // Waits until the content is on the disk.
  void sync(const std::filesystem::path& path);

  // Closes it; an error of the system here can mean lost writes and is thrown.
  void close(const std::filesystem::path& path);

 private:
  static constexpr std::intptr_t kNone = -1;

  explicit FileHandle(std::intptr_t native) : native_(native) {}

  std::intptr_t native_ = kNone;  // the system's own name for it: a descriptor or a HANDLE
};

// Renames `from` to `to`, replacing it, and makes the change durable where the file system allows.
void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace steadyflux
