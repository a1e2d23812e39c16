#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>

#include "platform/list_directory.h"

namespace steadyflux {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

}  // namespace

std::vector<std::filesystem::path> list_directory(const std::filesystem::path& directory, std::error_code& error) {
  error.clear();
  std::vector<std::filesystem::path> paths;
  const std::unique_ptr<DIR, CloseDirectory> stream(::opendir(directory.c_str()));
  if (!stream) {
    error.assign(errno, std::generic_category());
    return paths;
  }
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") paths.push_back(directory / name);
  }
  if (errno != 0) error.assign(errno, std::generic_category());
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace steadyflux
