#include <algorithm>

#include "platform/list_directory.h"

namespace steadyflux {

std::vector<std::filesystem::path> list_directory(const std::filesystem::path& directory, std::error_code& error) {
  error.clear();
  std::vector<std::filesystem::path> paths;
  try {
    for (const auto& entry : std::filesystem::directory_iterator(directory)) paths.push_back(entry.path());
  } catch (const std::filesystem::filesystem_error& failure) {
    error = failure.code();
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace steadyflux
