// How fast a file system gives files' bytes, past the page cache.
#pragma once

#include <filesystem>

namespace steadyflux::doctor {

struct DiskRate {
  bool direct = false;          // direct reads are possible; without them the page cache may have answered
  double bytes_per_second = 0;  // 0: nothing large enough to read
};

// Reads `file`, from its start, for at most `seconds`. Throws Error as FileHandle does.
DiskRate measure_file(const std::filesystem::path& file, double seconds);

// The same with a file of 128 MiB made in `directory` and removed again. Throws Error(kIo) when it cannot be written.
DiskRate measure_directory(const std::filesystem::path& directory, double seconds);

}  // namespace steadyflux::doctor
