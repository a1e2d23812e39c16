#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <limits>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "platform/page_region.h"
#include "platform/proc_text_linux.h"

namespace steadyflux {
namespace {

[[noreturn]] void fail_memory(int error, std::size_t num_bytes) {
  fail(ErrorCode::kIo, "the system refused ", format_bytes(num_bytes),
       " of memory: ", std::generic_category().message(error), "; close other programs, or declare a smaller budget");
}

// The kernel's own call reports a shortage that plain touching would answer with a kill; kernels before 5.14 do not
// have it.
int populate(std::byte* data, std::size_t size) {
  if (::madvise(data, size, MADV_POPULATE_WRITE) == 0) return 0;
  if (errno != EINVAL) return errno;
  for (std::size_t at = 0; at < size; at += page_bytes()) const_cast<volatile std::byte*>(data)[at] = std::byte{0};
  return 0;
}

// Whether the process has the capability that lifts the limit (CAP_IPC_LOCK, bit 14 of the effective set).
bool may_lock_everything() {
  constexpr int kHexadecimal = 16;
  constexpr int kIpcLockBit = 14;
  constexpr std::string_view kKey = "\nCapEff:\t";
  std::array<char, 8192> buffer;
  const std::string_view status = read_proc_text("/proc/self/status", buffer).value_or("");
  const std::size_t at = status.find(kKey);
  if (at == std::string_view::npos) return false;
  std::uint64_t capabilities = 0;
  std::from_chars(status.data() + at + kKey.size(), status.data() + status.size(), capabilities, kHexadecimal);
  return (capabilities >> kIpcLockBit & 1) != 0;
}

}  // namespace

std::size_t page_bytes() {
  static const std::size_t bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

PageRegion::PageRegion(std::size_t num_bytes, PageOptions options) {
  if (num_bytes == 0) return;
  if (num_bytes > std::numeric_limits<std::size_t>::max() - page_bytes()) fail_memory(ENOMEM, num_bytes);
  const std::size_t size = align_up(num_bytes, page_bytes());
  void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) fail_memory(errno, num_bytes);
  data_ = static_cast<std::byte*>(address);
  size_ = size;
  // Only an advice: without huge pages in the kernel the region works the same.
  if (options.huge_pages) ::madvise(data_, size_, MADV_HUGEPAGE);
  if (const int error = populate(data_, size_); error != 0) {
    ::munmap(data_, size_);
    fail_memory(error, num_bytes);
  }
}

PageRegion::~PageRegion() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

PageRegion::PageRegion(PageRegion&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

PageRegion& PageRegion::operator=(PageRegion&& other) noexcept {
  PageRegion old(std::move(other));
  std::swap(data_, old.data_);
  std::swap(size_, old.size_);
  return *this;
}

std::optional<std::uint64_t> lock_limit_bytes() {
  if (may_lock_everything()) return std::nullopt;
  rlimit limit = {};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return 0;
  if (limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  return limit.rlim_cur;
}

bool PageRegion::lock() { return data_ == nullptr || ::mlock(data_, size_) == 0; }

}  // namespace steadyflux
