// The backends that the stages are computed with; each program of golden tests links the file that defines them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"

namespace steadyflux::golden {

std::vector<std::string> backend_names();

// One of them. Its memory is host memory.
std::unique_ptr<Backend> make_backend(std::string_view name);

}  // namespace steadyflux::golden
