// Memory of the program itself: what a process holds beside weights, arenas and results.
#pragma once

#include <cstdint>

namespace steadyflux {

// Heap, generated code, library tables and the stacks of `threads` threads, as process bytes. A stated bound, not a
// measurement of the moment, so that a plan is the same on every run.
std::uint64_t overhead_bytes(int threads);

}  // namespace steadyflux
