#include "backend/arena.h"

#include <cstdint>
#include <limits>

#include "base/checked.h"
#include "base/error.h"

namespace steadyflux {

Arena Arena::measuring() {
  // Never dereferenced; any aligned address that is not null will do.
  return {reinterpret_cast<std::byte*>(kAlignment), std::numeric_limits<std::size_t>::max() / 4};
}

std::byte* Arena::allocate(std::size_t bytes, ArenaEnd end) {
  // The far end counts from the last aligned address, so that sizes alone keep every block aligned.
  const std::size_t capacity = capacity_bytes_ / kAlignment * kAlignment;
  const std::size_t left = capacity - used_bytes();
  const std::size_t size = align_up(bytes, kAlignment);
  ensure(size >= bytes && size <= left, "arena overrun: ", bytes, " bytes asked, ", left, " of ", capacity, " left");
  std::size_t& used = end == ArenaEnd::kNear ? near_bytes_ : far_bytes_;
  const std::size_t begin = end == ArenaEnd::kNear ? used : capacity - used - size;
  used += size;
  if (used_bytes() > peak_bytes_) {
    peak_bytes_ = used_bytes();
    peak_scratch_bytes_ = scratch_bytes_;
  }
  return reinterpret_cast<std::byte*>(reinterpret_cast<std::uintptr_t>(base_) + begin);
}

std::byte* Arena::allocate_scratch(std::size_t bytes) {
  scratch_bytes_ += align_up(bytes, kAlignment);
  return allocate(bytes);
}

}  // namespace steadyflux
