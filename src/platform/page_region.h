// Whole pages of memory from the operating system, present from the start.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace steadyflux {

struct PageOptions {
  bool huge_pages = false;  // advise the kernel to use huge pages
};

// Owns zeroed, page-aligned memory whose every page has been touched: it fails when it is made, and never faults later.
// Given back to the system at once when destroyed.
class PageRegion {
 public:
  PageRegion() = default;

  // `num_bytes` is rounded up to whole pages. Throws Error(kIo) when the system refuses.
  explicit PageRegion(std::size_t num_bytes, PageOptions options = {});
  ~PageRegion();
  PageRegion(PageRegion&& other) noexcept;
  PageRegion& operator=(PageRegion&& other) noexcept;

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::span<std::byte> bytes() const { return {data_, size_}; }

  // Keeps the pages from being swapped. False when the system's limit does not allow it; nothing else changes then.
  bool lock();

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

std::size_t page_bytes();

// How many bytes this process may lock in all; nothing when there is no limit.
std::optional<std::uint64_t> lock_limit_bytes();

}  // namespace steadyflux
