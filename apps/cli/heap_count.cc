#include "heap_count.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace steadyflux::cli {
namespace {

// operator new reaches nothing but what is static.
std::atomic<std::uint64_t> num_allocations = 0;

void* allocate(std::size_t size) noexcept {
  num_allocations.fetch_add(1, std::memory_order_relaxed);
  return std::malloc(size != 0 ? size : 1);
}

void* allocate_aligned(std::size_t size, std::align_val_t alignment) noexcept {
  num_allocations.fetch_add(1, std::memory_order_relaxed);
  const auto multiple = static_cast<std::size_t>(alignment);
  return std::aligned_alloc(multiple, (size + multiple - 1) / multiple * multiple);
}

void* require(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

std::uint64_t num_heap_allocations() { return num_allocations.load(std::memory_order_relaxed); }

}  // namespace steadyflux::cli

using steadyflux::cli::allocate;
using steadyflux::cli::allocate_aligned;
using steadyflux::cli::require;

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
