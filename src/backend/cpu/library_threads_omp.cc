// For a oneDNN built upon OpenMP. Its thread count is a variable of each thread.
#include "backend/cpu/library_threads.h"

// Declared here because the compiler in use need not ship the header of the runtime that oneDNN was linked with.
extern "C" {
void omp_set_num_threads(int num_threads);
int omp_get_max_threads(void);
}

namespace steadyflux::cpu {

LibraryThreads::LibraryThreads(int num_threads) : previous_(omp_get_max_threads()) { omp_set_num_threads(num_threads); }

LibraryThreads::~LibraryThreads() { omp_set_num_threads(previous_); }

}  // namespace steadyflux::cpu
