#include "platform/file_handle.h"

#include <algorithm>
#include <utility>

#include "platform/windows_error.h"

namespace steadyflux {
namespace {

// A call takes a 32-bit count; a round figure below that, and a multiple of every sector.
constexpr std::size_t kMaxBytesPerCall = std::size_t{1} << 30;

constexpr DWORD kShareEverything = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

HANDLE handle_of(std::intptr_t native) { return reinterpret_cast<HANDLE>(native); }

// INVALID_HANDLE_VALUE is -1.
std::intptr_t open_native(const std::filesystem::path& path, DWORD access, DWORD disposition, DWORD flags) {
  const HANDLE handle = ::CreateFileW(path.c_str(), access, kShareEverything, nullptr, disposition,
                                      FILE_ATTRIBUTE_NORMAL | flags, nullptr);
  return reinterpret_cast<std::intptr_t>(handle);
}

[[noreturn]] void fail_path(DWORD error, const char* action, const std::filesystem::path& path) {
  const bool absent = error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND;
  fail_windows(absent ? ErrorCode::kNotFound : ErrorCode::kIo, error, "cannot ", action, " ", path.string());
}

void require_regular_file(HANDLE handle, const std::filesystem::path& path) {
  if (::GetFileType(handle) != FILE_TYPE_DISK) {
    fail(ErrorCode::kIo, "cannot read ", path.string(), ": not a regular file");
  }
}

}  // namespace

FileHandle FileHandle::open_to_read(const std::filesystem::path& path) {
  FileHandle handle(open_native(path, GENERIC_READ, OPEN_EXISTING, 0));
  if (!handle.is_open()) fail_path(::GetLastError(), "open", path);
  require_regular_file(handle_of(handle.native_), path);
  return handle;
}

FileHandle FileHandle::open_to_read_direct(const std::filesystem::path& path) {
  FileHandle handle(open_native(path, GENERIC_READ, OPEN_EXISTING, FILE_FLAG_NO_BUFFERING));
  if (!handle.is_open()) {
    const DWORD error = ::GetLastError();
    if (error == ERROR_INVALID_PARAMETER || error == ERROR_NOT_SUPPORTED) return handle;
    fail_path(error, "open", path);
  }
  require_regular_file(handle_of(handle.native_), path);
  return handle;
}

FileHandle FileHandle::create_new(const std::filesystem::path& path) {
  FileHandle handle(open_native(path, GENERIC_WRITE, CREATE_NEW, 0));
  if (!handle.is_open()) {
    const DWORD error = ::GetLastError();
    if (error != ERROR_FILE_EXISTS) fail_windows(ErrorCode::kIo, error, "cannot create ", path.string());
  }
  return handle;
}

FileHandle FileHandle::open_to_write(const std::filesystem::path& path) {
  FileHandle handle(open_native(path, GENERIC_WRITE, OPEN_EXISTING, 0));
  if (!handle.is_open()) fail_path(::GetLastError(), "open", path);
  return handle;
}

FileHandle::~FileHandle() {
  if (is_open()) ::CloseHandle(handle_of(native_));
}

FileHandle::FileHandle(FileHandle&& other) noexcept : native_(std::exchange(other.native_, kNone)) {}

FileHandle& FileHandle::operator=(FileHandle&& other) noexcept {
  std::swap(native_, other.native_);
  return *this;
}

// The system has no such advice; direct reads leave nothing in its cache anyway.
void FileHandle::drop_cached(std::uint64_t, std::uint64_t) const {}

std::uint64_t FileHandle::size_bytes(const std::filesystem::path& path) const {
  LARGE_INTEGER size = {};
  if (::GetFileSizeEx(handle_of(native_), &size) == 0) fail_path(::GetLastError(), "examine", path);
  return static_cast<std::uint64_t>(size.QuadPart);
}

std::size_t FileHandle::read_some(std::uint64_t offset, std::span<std::byte> out,
                                  const std::filesystem::path& path) const {
  const auto wanted = static_cast<DWORD>(std::min(out.size(), kMaxBytesPerCall));
  // On a handle that was not opened for overlapped work this only states the offset; the call waits.
  OVERLAPPED place = {};
  place.Offset = static_cast<DWORD>(offset);
  place.OffsetHigh = static_cast<DWORD>(offset >> 32);
  DWORD got = 0;
  if (::ReadFile(handle_of(native_), out.data(), wanted, &got, &place) != 0) return got;
  const DWORD error = ::GetLastError();
  if (error == ERROR_HANDLE_EOF) return 0;
  fail_windows(ErrorCode::kIo, error, "cannot read ", path.string(), " at byte ", offset);
}

void FileHandle::write_all(std::span<const std::byte> bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const auto wanted = static_cast<DWORD>(std::min(bytes.size(), kMaxBytesPerCall));
    DWORD put = 0;
    if (::WriteFile(handle_of(native_), bytes.data(), wanted, &put, nullptr) == 0) {
      fail_path(::GetLastError(), "write", path);
    }
    bytes = bytes.subspan(put);
  }
}

void FileHandle::sync(const std::filesystem::path& path) {
  if (::FlushFileBuffers(handle_of(native_)) == 0) fail_path(::GetLastError(), "sync", path);
}

void FileHandle::close(const std::filesystem::path& path) {
  if (::CloseHandle(handle_of(std::exchange(native_, kNone))) == 0) fail_path(::GetLastError(), "close", path);
}

void rename_durably(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::MoveFileExW(from.c_str(), to.c_str(), MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH) == 0) {
    fail_windows(ErrorCode::kIo, ::GetLastError(), "cannot rename ", from.string(), " to ", to.string());
  }
}

}  // namespace steadyflux
