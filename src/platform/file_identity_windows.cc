#include <windows.h>

#include "platform/file_handle.h"
#include "platform/file_identity.h"
#include "platform/windows_error.h"

namespace steadyflux {
namespace {

// The system counts 100 ns from 1601; counted from 1970 the nanoseconds fit 64 bits.
constexpr std::int64_t kTicksBefore1970 = 116'444'736'000'000'000;
constexpr std::int64_t kNanosecondsPerTick = 100;

std::int64_t nanoseconds(const LARGE_INTEGER& ticks) {
  return (ticks.QuadPart - kTicksBefore1970) * kNanosecondsPerTick;
}

std::uint64_t joined(DWORD high, DWORD low) { return std::uint64_t{high} << 32 | low; }

std::optional<FileIdentity> identify(HANDLE handle) {
  BY_HANDLE_FILE_INFORMATION file = {};
  FILE_BASIC_INFO times = {};
  if (::GetFileInformationByHandle(handle, &file) == 0) return std::nullopt;
  if (::GetFileInformationByHandleEx(handle, FileBasicInfo, &times, sizeof(times)) == 0) return std::nullopt;
  if ((file.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0) return std::nullopt;
  return FileIdentity{file.dwVolumeSerialNumber, joined(file.nFileIndexHigh, file.nFileIndexLow),
                      joined(file.nFileSizeHigh, file.nFileSizeLow), nanoseconds(times.LastWriteTime),
                      nanoseconds(times.ChangeTime)};
}

}  // namespace

std::optional<FileIdentity> identify_file(const std::filesystem::path& path) {
  const HANDLE handle =
      ::CreateFileW(path.c_str(), FILE_READ_ATTRIBUTES, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                    OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, nullptr);
  if (handle == INVALID_HANDLE_VALUE) return std::nullopt;
  const auto identity = identify(handle);
  ::CloseHandle(handle);
  return identity;
}

FileIdentity FileHandle::identity(const std::filesystem::path& path) const {
  const auto identity = identify(reinterpret_cast<HANDLE>(native_));
  if (!identity) fail_windows(ErrorCode::kIo, ::GetLastError(), "cannot examine ", path.string());
  return *identity;
}

}  // namespace steadyflux
