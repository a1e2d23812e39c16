// Where a user's programs keep what they can make again.
#pragma once

#include <filesystem>

namespace steadyflux {

// $XDG_CACHE_HOME/steadyflux, or ~/.cache/steadyflux; empty when the environment names neither. It need not exist.
std::filesystem::path user_cache_dir();

}  // namespace steadyflux
