// What files and directories are called until they are complete.
#pragma once

#include <filesystem>

namespace steadyflux {

// A hidden name beside `path`, of this process: what is there already is of a crashed one that had the same number, and
// the next attempt gives another.
std::filesystem::path temporary_beside(const std::filesystem::path& path, int attempt);

}  // namespace steadyflux
