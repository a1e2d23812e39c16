#include "e2e/counted_allocations.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

namespace steadyflux::e2e {
namespace {

constexpr int kMaxFrames = 32;
constexpr std::size_t kMaxStacksShown = 3;

// operator new reaches nothing but what is static.
std::atomic<bool> counting = false;
std::atomic<const void*> our_base = nullptr;
std::atomic<std::size_t> ours = 0;
std::atomic<std::size_t> libraries = 0;
thread_local bool inside = false;

// Where the program or library that holds `code` is loaded.
const void* base_of(const void* code) {
  Dl_info info = {};
  return ::dladdr(code, &info) != 0 ? info.dli_fbase : nullptr;
}

// An allocation belongs to the innermost code that is neither the allocator nor the standard library.
bool is_ours(void* const* frames, int num_frames) {
  const void* const allocator = base_of(reinterpret_cast<const void*>(&stop_counting));
  for (int i = 0; i < num_frames; ++i) {
    Dl_info info = {};
    if (::dladdr(frames[i], &info) == 0 || info.dli_fbase == allocator) continue;
    if (info.dli_fbase == our_base) return true;
    if (std::strstr(info.dli_fname, "libstdc++") == nullptr) return false;
  }
  return true;
}

void count() {
  if (!counting || inside) return;
  inside = true;
  std::array<void*, kMaxFrames> frames;
  const int num_frames = ::backtrace(frames.data(), kMaxFrames);
  if (!is_ours(frames.data(), num_frames)) {
    ++libraries;
  } else if (ours.fetch_add(1) < kMaxStacksShown) {
    ::backtrace_symbols_fd(frames.data(), num_frames, STDERR_FILENO);
  }
  inside = false;
}

void* allocate(std::size_t size) noexcept {
  count();
  return std::malloc(size != 0 ? size : 1);
}

void* allocate_aligned(std::size_t size, std::align_val_t alignment) noexcept {
  count();
  void* memory = nullptr;
  return ::posix_memalign(&memory, static_cast<std::size_t>(alignment), size != 0 ? size : 1) == 0 ? memory : nullptr;
}

void* require(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void start_counting(const void* our_code) {
  // The first backtrace loads a library, which allocates.
  std::array<void*, kMaxFrames> frames;
  ::backtrace(frames.data(), kMaxFrames);
  our_base = base_of(our_code);
  ours = 0;
  libraries = 0;
  counting = true;
}

AllocationCounts stop_counting() {
  counting = false;
  return {ours, libraries};
}

}  // namespace steadyflux::e2e

using steadyflux::e2e::allocate;
using steadyflux::e2e::allocate_aligned;
using steadyflux::e2e::require;

void* operator new(std::size_t size) { return require(allocate(size)); }
void* operator new[](std::size_t size) { return require(allocate(size)); }
void* operator new(std::size_t size, std::align_val_t alignment) { return require(allocate_aligned(size, alignment)); }
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return require(allocate_aligned(size, alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
