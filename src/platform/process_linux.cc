#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <system_error>

#include "base/error.h"
#include "platform/process.h"

namespace steadyflux {

std::filesystem::path executable_dir() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) fail(ErrorCode::kIo, "cannot find the running program's directory: ", error.message());
  return program.parent_path();
}

std::filesystem::path scratch_directory() {
  const char* chosen = std::getenv("TMPDIR");
  return chosen != nullptr && *chosen != '\0' ? chosen : "/var/tmp";
}

long process_id() { return ::getpid(); }

void limit_malloc_arenas() {
  // Setting any of the three thresholds also stops glibc from adjusting them as the program runs.
  constexpr int kThresholdBytes = 256 * 1024;
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_MMAP_THRESHOLD, kThresholdBytes);
  ::mallopt(M_TRIM_THRESHOLD, kThresholdBytes);
}

void release_free_heap() { ::malloc_trim(0); }

void ignore_file_size_signal() { ::signal(SIGXFSZ, SIG_IGN); }

}  // namespace steadyflux
