// Files read past the page cache, straight from the disk.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>

#include "io/file.h"

namespace steadyflux {

// Offsets, lengths and addresses of direct reads are multiples of this.
inline constexpr std::size_t kDirectAlignment = 4096;

// Opens a regular file for direct reads of whole blocks; where the file system refuses them, reads go through the page
// cache and what they put there is dropped again. Only read_blocks() may be called, with offset, length and address
// multiples of kDirectAlignment. Errors are those of open_file.
std::unique_ptr<ReadableFile> open_direct_file(const std::filesystem::path& path);

}  // namespace steadyflux
