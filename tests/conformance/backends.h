// The backends that must conform: adding one is one line of backends.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"

namespace steadyflux::conformance {

struct Contender {
  std::string name;
  std::string family;  // all of one family give the same bits
  std::unique_ptr<Backend> backend;
};

std::vector<Contender> make_contenders();

}  // namespace steadyflux::conformance
