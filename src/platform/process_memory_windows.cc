#include "platform/process_memory.h"

#include "platform/windows_error.h"

// After windows.h.
#include <psapi.h>

namespace steadyflux {

// The system counts private memory as what is committed, in memory or not, and page faults of both kinds together. What
// of the private memory the working set has no room for must be in the page file, or untouched.
ProcessMemory process_memory() {
  PROCESS_MEMORY_COUNTERS_EX counters = {};
  counters.cb = sizeof(counters);
  if (::GetProcessMemoryInfo(::GetCurrentProcess(), reinterpret_cast<PROCESS_MEMORY_COUNTERS*>(&counters),
                             sizeof(counters)) == 0) {
    fail_windows(ErrorCode::kIo, ::GetLastError(), "the memory of this process is unknown");
  }
  ProcessMemory memory;
  memory.anon_bytes = counters.PrivateUsage;
  if (counters.WorkingSetSize > counters.PrivateUsage) {
    memory.file_bytes = counters.WorkingSetSize - counters.PrivateUsage;
  } else {
    memory.swap_bytes = counters.PrivateUsage - counters.WorkingSetSize;
  }
  memory.peak_resident_bytes = counters.PeakWorkingSetSize;
  memory.minor_faults = counters.PageFaultCount;
  return memory;
}

// The system has no call for it.
bool reset_peak_resident() { return false; }

}  // namespace steadyflux
