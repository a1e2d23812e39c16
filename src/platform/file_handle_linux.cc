#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "platform/file_handle.h"

namespace steadyflux {
namespace {

// The kernel moves at most about 2 GiB a call; a round figure below that.
constexpr std::size_t kMaxBytesPerCall = std::size_t{1} << 30;

[[noreturn]] void fail_io(int error, const char* action, const std::filesystem::path& path) {
  const ErrorCode code = error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
  fail(code, "cannot ", action, " ", path.string(), ": ", std::generic_category().message(error));
}

int descriptor_of(std::intptr_t native) { return static_cast<int>(native); }

int open_descriptor(const std::filesystem::path& path, int flags) {
  int descriptor = -1;
  do {
    descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

void require_regular_file(int descriptor, const std::filesystem::path& path) {
  struct stat status = {};
  if (::fstat(descriptor, &status) != 0) fail_io(errno, "examine", path);
  if (S_ISDIR(status.st_mode)) fail_io(EISDIR, "read", path);
  if (!S_ISREG(status.st_mode)) fail(ErrorCode::kIo, "cannot read ", path.string(), ": not a regular file");
}

}  // namespace

FileHandle FileHandle::open_to_read(const std::filesystem::path& path) {
  // Without O_NONBLOCK the open of a named pipe would wait for a writer; it changes nothing for a regular file.
  FileHandle handle(open_descriptor(path, O_RDONLY | O_NONBLOCK));
  if (!handle.is_open()) fail_io(errno, "open", path);
  require_regular_file(descriptor_of(handle.native_), path);
  return handle;
}

FileHandle FileHandle::open_to_read_direct(const std::filesystem::path& path) {
  FileHandle handle(open_descriptor(path, O_RDONLY | O_NONBLOCK | O_DIRECT));
  if (!handle.is_open()) {
    if (errno == EINVAL) return handle;
    fail_io(errno, "open", path);
  }
  require_regular_file(descriptor_of(handle.native_), path);
  return handle;
}

FileHandle FileHandle::create_new(const std::filesystem::path& path) {
  FileHandle handle(open_descriptor(path, O_WRONLY | O_CREAT | O_EXCL));
  if (!handle.is_open() && errno != EEXIST) {
    const int error = errno;
    fail(ErrorCode::kIo, "cannot create ", path.string(), ": ", std::generic_category().message(error));
  }
  return handle;
}

FileHandle FileHandle::open_to_write(const std::filesystem::path& path) {
  FileHandle handle(open_descriptor(path, O_WRONLY));
  if (!handle.is_open()) fail_io(errno, "open", path);
  return handle;
}

FileHandle::~FileHandle() {
  if (is_open()) ::close(descriptor_of(native_));
}

FileHandle::FileHandle(FileHandle&& other) noexcept : native_(std::exchange(other.native_, kNone)) {}

FileHandle& FileHandle::operator=(FileHandle&& other) noexcept {
  std::swap(native_, other.native_);
  return *this;
}

void FileHandle::drop_cached(std::uint64_t offset, std::uint64_t num_bytes) const {
  static_cast<void>(::posix_fadvise(descriptor_of(native_), static_cast<off_t>(offset), static_cast<off_t>(num_bytes),
                                    POSIX_FADV_DONTNEED));
}

std::uint64_t FileHandle::size_bytes(const std::filesystem::path& path) const {
  struct stat status = {};
  if (::fstat(descriptor_of(native_), &status) != 0) fail_io(errno, "examine", path);
  return static_cast<std::uint64_t>(status.st_size);
}

std::size_t FileHandle::read_some(std::uint64_t offset, std::span<std::byte> out,
                                  const std::filesystem::path& path) const {
  const std::size_t wanted = std::min(out.size(), kMaxBytesPerCall);
  for (;;) {
    const ssize_t got = ::pread(descriptor_of(native_), out.data(), wanted, static_cast<off_t>(offset));
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) {
      const int error = errno;
      fail(ErrorCode::kIo, "cannot read ", path.string(), " at byte ", offset, ": ",
           std::generic_category().message(error));
    }
  }
}

void FileHandle::write_all(std::span<const std::byte> bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(descriptor_of(native_), bytes.data(), std::min(bytes.size(), kMaxBytesPerCall));
    if (put >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(put));
    } else if (errno != EINTR) {
      fail_io(errno, "write", path);
    }
  }
}

void FileHandle::sync(const std::filesystem::path& path) {
  if (::fsync(descriptor_of(native_)) != 0) fail_io(errno, "sync", path);
}

void FileHandle::close(const std::filesystem::path& path) {
  // After EINTR Linux has closed the descriptor all the same.
  if (::close(descriptor_of(std::exchange(native_, kNone))) != 0 && errno != EINTR) fail_io(errno, "close", path);
}

void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    const int error = errno;
    fail(ErrorCode::kIo, "cannot rename ", from.string(), " to ", to.string(), ": ",
         std::generic_category().message(error));
  }
  // The rename itself is durable once the directory is synced. Some file systems refuse that; the file is whole anyway.
  const std::filesystem::path directory = to.has_parent_path() ? to.parent_path() : ".";
  const int descriptor = open_descriptor(directory, O_RDONLY | O_DIRECTORY);
  if (descriptor < 0) return;
  ::fsync(descriptor);
  ::close(descriptor);
}

}  // namespace steadyflux
