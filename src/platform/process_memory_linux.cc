#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>

#include "base/error.h"
#include "platform/proc_text_linux.h"
#include "platform/process_memory.h"

namespace steadyflux {
namespace {

constexpr std::uint64_t kKiB = 1024;

// The lines wanted come before the long processor and node masks; the whole file is about 1.5 KiB, more on machines
// with very many processors.
constexpr std::size_t kBufferBytes = 8192;

std::uint64_t kib_field(std::string_view status, std::string_view key) {
  const auto value = number_after(status, key);
  if (!value) fail(ErrorCode::kIo, "/proc/self/status has no field ", key, " this kernel is not supported");
  return *value * kKiB;
}

}  // namespace

ProcessMemory process_memory() {
  std::array<char, kBufferBytes> buffer;
  const auto status = read_proc_text("/proc/self/status", buffer);
  if (!status) fail(ErrorCode::kIo, "cannot read /proc/self/status: the memory of this process is unknown");
  ProcessMemory memory;
  memory.anon_bytes = kib_field(*status, "RssAnon:");
  memory.shmem_bytes = kib_field(*status, "RssShmem:");
  memory.file_bytes = kib_field(*status, "RssFile:");
  memory.swap_bytes = kib_field(*status, "VmSwap:");
  memory.locked_bytes = kib_field(*status, "VmLck:");
  memory.peak_resident_bytes = kib_field(*status, "VmHWM:");
  rusage usage = {};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) fail(ErrorCode::kIo, "cannot count the page faults of this process");
  memory.major_faults = static_cast<std::uint64_t>(usage.ru_majflt);
  memory.minor_faults = static_cast<std::uint64_t>(usage.ru_minflt);
  return memory;
}

bool reset_peak_resident() {
  const int descriptor = ::open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool done = ::write(descriptor, "5", 1) == 1;
  ::close(descriptor);
  return done;
}

}  // namespace steadyflux
