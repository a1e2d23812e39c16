#include "platform/process.h"

#include <malloc.h>

#include <string>

#include "platform/windows_error.h"

namespace steadyflux {

std::filesystem::path executable_dir() {
  constexpr DWORD kMaxPathLength = 32768;  // of the system
  std::wstring program(kMaxPathLength, L'\0');
  const DWORD length = ::GetModuleFileNameW(nullptr, program.data(), kMaxPathLength);
  if (length == 0) {
    fail_windows(ErrorCode::kIo, ::GetLastError(), "cannot find the running program's directory");
  }
  program.resize(length);
  return std::filesystem::path(program).parent_path();
}

std::filesystem::path scratch_directory() { return std::filesystem::temp_directory_path(); }

long process_id() { return static_cast<long>(::GetCurrentProcessId()); }

// The system's heap has no arenas to limit.
void limit_malloc_arenas() {}

void release_free_heap() { ::_heapmin(); }

std::string run_in_child(FunctionRef<std::string()>) {
  fail(ErrorCode::kUnsupported, "Windows cannot copy a running process");
}

// There is no such signal.
void ignore_file_size_signal() {}

}  // namespace steadyflux
