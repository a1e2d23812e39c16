// How often the program has asked the heap for memory.
#pragma once

#include <cstdint>

namespace steadyflux::cli {

// Calls of operator new since the start, by the program and its libraries; always 0 where a sanitizer has the heap.
// Thread rule: any thread.
std::uint64_t num_heap_allocations();

}  // namespace steadyflux::cli
