// For a oneDNN built without threads of its own.
#include "backend/cpu/library_threads.h"

namespace steadyflux::cpu {

LibraryThreads::LibraryThreads(int) : previous_(1) {}

LibraryThreads::~LibraryThreads() = default;

}  // namespace steadyflux::cpu
