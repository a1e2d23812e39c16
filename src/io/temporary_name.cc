#include "io/temporary_name.h"

#include <string>

#include "platform/process.h"

namespace steadyflux {

std::filesystem::path temporary_beside(const std::filesystem::path& path, int attempt) {
  std::string name = ".";
  name += path.filename().string();
  name += '.' + std::to_string(process_id()) + '.' + std::to_string(attempt) + ".tmp";
  return path.parent_path() / name;
}

}  // namespace steadyflux
