// What is in a directory.
#pragma once

#include <filesystem>
#include <system_error>
#include <vector>

namespace steadyflux {

// The paths of its entries, sorted, without those of itself and its parent. What could be listed when `error` is set.
// Unlike the standard library's iterator (libstdc++ 12) it throws std::bad_alloc where memory runs out rather than
// ending the program.
std::vector<std::filesystem::path> list_directory(const std::filesystem::path& directory, std::error_code& error);

}  // namespace steadyflux
