#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "base/error.h"
#include "platform/file_handle.h"
#include "platform/file_identity.h"

namespace steadyflux {
namespace {

std::int64_t nanoseconds(const timespec& time) {
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::int64_t>(time.tv_nsec);
}

FileIdentity identity_of(const struct stat& status) {
  return {static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino),
          static_cast<std::uint64_t>(status.st_size), nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)};
}

}  // namespace

std::optional<FileIdentity> identify_file(const std::filesystem::path& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return identity_of(status);
}

FileIdentity FileHandle::identity(const std::filesystem::path& path) const {
  struct stat status = {};
  if (::fstat(static_cast<int>(native_), &status) != 0) {
    const int error = errno;
    fail(ErrorCode::kIo, "cannot examine ", path.string(), ": ", std::generic_category().message(error));
  }
  return identity_of(status);
}

}  // namespace steadyflux
