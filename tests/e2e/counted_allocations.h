// Counts calls of operator new while told to, and tells those of our code from those that libraries make.
//
// A shared library, so that its operator new serves the program and every library it loads, and so that the code
// between operator new and its caller is known by the file it lies in.
#pragma once

#include <cstddef>

namespace steadyflux::e2e {

struct AllocationCounts {
  std::size_t ours = 0;       // by the code of the program itself
  std::size_t libraries = 0;  // by the code of a shared library, such as oneDNN
};

// Counts from now on. `our_code` is any function of the program. Thread rule: while no other thread allocates.
void start_counting(const void* our_code);

// Counts until now. The stacks of the first few of ours have gone to stderr, so that a failure says where. Thread rule:
// the same.
AllocationCounts stop_counting();

}  // namespace steadyflux::e2e
