// For tests: a program that links count_allocations.cc counts its calls of operator new.
#pragma once

#include <cstddef>

namespace steadyflux {

// Allocations since the program began. Thread rule: any.
std::size_t num_allocations();

}  // namespace steadyflux
