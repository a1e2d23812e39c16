// Which file a path names and whether it has changed, without opening it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace steadyflux {

// A file whose identity is what it was holds what it held: the system notes every write in its times. Times are
// nanoseconds since the system's epoch.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size_bytes = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;  // of content, name or permissions; programs cannot set it

  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

// Of the regular file at `path`, or of the one that a link there leads to. Nothing when there is none or it cannot be
// examined.
std::optional<FileIdentity> identify_file(const std::filesystem::path& path);

}  // namespace steadyflux
