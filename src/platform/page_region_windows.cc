#include "platform/page_region.h"

#include <limits>
#include <utility>

#include "base/bytes.h"
#include "base/checked.h"
#include "platform/windows_error.h"

namespace steadyflux {
namespace {

[[noreturn]] void fail_memory(DWORD error, std::size_t num_bytes) {
  fail_windows(ErrorCode::kIo, error, "the system refused ", format_bytes(num_bytes),
               " of memory; close other programs, or declare a smaller budget");
}

// Committed pages have a place in memory or in the page file, but none until they are touched.
void touch(std::byte* data, std::size_t size) {
  for (std::size_t at = 0; at < size; at += page_bytes()) const_cast<volatile std::byte*>(data)[at] = std::byte{0};
}

// Only what lies within the process's smallest working set can be locked.
bool grow_working_set(std::size_t num_bytes) {
  const HANDLE process = ::GetCurrentProcess();
  SIZE_T least = 0;
  SIZE_T most = 0;
  if (::GetProcessWorkingSetSize(process, &least, &most) == 0) return false;
  return ::SetProcessWorkingSetSize(process, least + num_bytes, most + num_bytes) != 0;
}

}  // namespace

std::size_t page_bytes() {
  static const std::size_t bytes = [] {
    SYSTEM_INFO info = {};
    ::GetSystemInfo(&info);
    return std::size_t{info.dwPageSize};
  }();
  return bytes;
}

// Huge pages need a privilege that few accounts have, and are only an advice.
PageRegion::PageRegion(std::size_t num_bytes, PageOptions) {
  if (num_bytes == 0) return;
  if (num_bytes > std::numeric_limits<std::size_t>::max() - page_bytes()) {
    fail_memory(ERROR_NOT_ENOUGH_MEMORY, num_bytes);
  }
  const std::size_t size = align_up(num_bytes, page_bytes());
  void* address = ::VirtualAlloc(nullptr, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
  if (address == nullptr) fail_memory(::GetLastError(), num_bytes);
  data_ = static_cast<std::byte*>(address);
  size_ = size;
  touch(data_, size_);
}

PageRegion::~PageRegion() {
  if (data_ != nullptr) ::VirtualFree(data_, 0, MEM_RELEASE);
}

PageRegion::PageRegion(PageRegion&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

PageRegion& PageRegion::operator=(PageRegion&& other) noexcept {
  PageRegion old(std::move(other));
  std::swap(data_, old.data_);
  std::swap(size_, old.size_);
  return *this;
}

// The working set may be made as large as the machine allows.
std::optional<std::uint64_t> lock_limit_bytes() { return std::nullopt; }

bool PageRegion::lock() {
  if (data_ == nullptr || ::VirtualLock(data_, size_) != 0) return true;
  return ::GetLastError() == ERROR_WORKING_SET_QUOTA && grow_working_set(size_) && ::VirtualLock(data_, size_) != 0;
}

}  // namespace steadyflux
