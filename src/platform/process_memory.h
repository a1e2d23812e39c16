// What this process holds in memory, as the kernel counts it.
#pragma once

#include <cstdint>

namespace steadyflux {

struct ProcessMemory {
  std::uint64_t anon_bytes = 0;           // resident, backed by nothing but swap: heap, stacks, regions
  std::uint64_t shmem_bytes = 0;          // resident shared memory
  std::uint64_t file_bytes = 0;           // resident pages of files; the kernel can drop them
  std::uint64_t swap_bytes = 0;           // pushed out to swap
  std::uint64_t locked_bytes = 0;         // locked in memory
  std::uint64_t peak_resident_bytes = 0;  // high-water of anon + shmem + file since the start or the last reset
  std::uint64_t major_faults = 0;         // page faults that waited for a disk, since the start
  std::uint64_t minor_faults = 0;         // page faults that did not

  // What counts against a budget.
  std::uint64_t charged_bytes() const { return anon_bytes + shmem_bytes; }
};

// The state now. Costs some tens of microseconds and allocates nothing, so that a loop may poll it. The kernel may lag
// by a few hundred KiB per thread. Throws Error(kIo) when the kernel does not tell.
ProcessMemory process_memory();

// Restarts peak_resident_bytes from the present value. False when the kernel does not allow it.
bool reset_peak_resident();

}  // namespace steadyflux
