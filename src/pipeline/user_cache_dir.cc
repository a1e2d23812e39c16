#include "pipeline/user_cache_dir.h"

#include <cstdlib>

namespace steadyflux {

std::filesystem::path user_cache_dir() {
  // The specification of these variables says that a relative path is to be ignored.
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && std::filesystem::path(cache).is_absolute())
    return std::filesystem::path(cache) / "steadyflux";
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') return {};
  return std::filesystem::path(home) / ".cache/steadyflux";
}

}  // namespace steadyflux
