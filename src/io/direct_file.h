// Files read past the page cache, straight from the disk.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "io/file.h"

namespace steadyflux {

// Offsets, lengths and addresses of direct reads are multiples of this.
inline constexpr std::size_t kDirectAlignment = 4096;

// Opens a regular file for direct reads; where the file system refuses them, reads go through the page cache and what
// they put there is dropped again. Unaligned reads go through `bounce`, which is borrowed, aligned to kDirectAlignment
// and a multiple of it long; files may share one. Errors are those of open_file.
// Thread rule: unlike other files, only one thread may read files that share a bounce buffer.
std::unique_ptr<ReadableFile> open_direct_file(const std::filesystem::path& path, std::span<std::byte> bounce);

}  // namespace steadyflux
