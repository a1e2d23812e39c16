#include "platform/system_memory.h"

#include "platform/page_region.h"
#include "platform/process_memory.h"
#include "platform/windows_error.h"

// After windows.h.
#include <pdh.h>

namespace steadyflux {
namespace {

// A job object is what a control group is elsewhere. Its own use is not told, so this process stands for all of it.
void apply_job(SystemMemory& memory) {
  JOBOBJECT_EXTENDED_LIMIT_INFORMATION job = {};
  if (::QueryInformationJobObject(nullptr, JobObjectExtendedLimitInformation, &job, sizeof(job), nullptr) == 0) return;
  const DWORD limits = job.BasicLimitInformation.LimitFlags;
  std::optional<std::uint64_t> limit;
  if ((limits & JOB_OBJECT_LIMIT_PROCESS_MEMORY) != 0) limit = job.ProcessMemoryLimit;
  if ((limits & JOB_OBJECT_LIMIT_JOB_MEMORY) != 0) {
    limit = std::min<std::uint64_t>(limit.value_or(job.JobMemoryLimit), job.JobMemoryLimit);
  }
  if (!limit) return;
  const std::uint64_t used = process_memory().charged_bytes();
  memory.group_limit_bytes = *limit;
  memory.group_available_bytes = *limit > used ? *limit - used : 0;
}

}  // namespace

// Counters of pages that moved between memory and disk, mapped files among them: the system does not tell the page
// file's apart.
struct SystemFigures::Sources {
  PDH_HQUERY query = nullptr;
  PDH_HCOUNTER pages_in = nullptr;
  PDH_HCOUNTER pages_out = nullptr;

  Sources() {
    if (::PdhOpenQueryW(nullptr, 0, &query) != ERROR_SUCCESS) query = nullptr;
    if (query == nullptr) return;
    ::PdhAddEnglishCounterW(query, L"\\Memory\\Pages Input/sec", 0, &pages_in);
    ::PdhAddEnglishCounterW(query, L"\\Memory\\Pages Output/sec", 0, &pages_out);
  }
  ~Sources() {
    if (query != nullptr) ::PdhCloseQuery(query);
  }
  Sources(const Sources&) = delete;
  Sources& operator=(const Sources&) = delete;

  // The count behind a rate, since the system started.
  static std::uint64_t count(PDH_HCOUNTER counter) {
    PDH_RAW_COUNTER raw = {};
    if (counter == nullptr || ::PdhGetRawCounterValue(counter, nullptr, &raw) != ERROR_SUCCESS) return 0;
    return static_cast<std::uint64_t>(raw.FirstValue);
  }
};

SystemFigures::SystemFigures(const std::filesystem::path&) : sources_(std::make_unique<Sources>()) {}
SystemFigures::~SystemFigures() = default;
SystemFigures::SystemFigures(SystemFigures&&) noexcept = default;
SystemFigures& SystemFigures::operator=(SystemFigures&&) noexcept = default;

SystemMemory SystemFigures::memory() const {
  MEMORYSTATUSEX status = {};
  status.dwLength = sizeof(status);
  if (::GlobalMemoryStatusEx(&status) == 0) {
    fail_windows(ErrorCode::kIo, ::GetLastError(), "cannot learn the machine's memory");
  }
  SystemMemory memory;
  memory.total_bytes = status.ullTotalPhys;
  memory.available_bytes = status.ullAvailPhys;
  // What may be committed is memory and page file together.
  if (status.ullTotalPageFile > status.ullTotalPhys) {
    memory.swap_total_bytes = status.ullTotalPageFile - status.ullTotalPhys;
    memory.swap_free_bytes = std::min<std::uint64_t>(memory.swap_total_bytes, status.ullAvailPageFile);
  }
  apply_job(memory);
  return memory;
}

SystemPressure SystemFigures::pressure() const {
  SystemPressure pressure;
  if (sources_->query == nullptr || ::PdhCollectQueryData(sources_->query) != ERROR_SUCCESS) return pressure;
  pressure.swapped_in_bytes = Sources::count(sources_->pages_in) * page_bytes();
  pressure.swapped_out_bytes = Sources::count(sources_->pages_out) * page_bytes();
  return pressure;
}

}  // namespace steadyflux
