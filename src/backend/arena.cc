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

std::byte* Arena::allocate(std::size_t bytes) {
  const std::size_t begin = used_bytes_;
  const std::size_t size = align_up(bytes, kAlignment);
  ensure(size >= bytes && size <= capacity_bytes_ - begin, "arena overrun: ", bytes, " bytes asked, ",
         capacity_bytes_ - begin, " of ", capacity_bytes_, " left");
  used_bytes_ += size;
  if (used_bytes_ > peak_bytes_) {
    peak_bytes_ = used_bytes_;
    peak_scratch_bytes_ = scratch_bytes_;
  }
  return reinterpret_cast<std::byte*>(reinterpret_cast<std::uintptr_t>(base_) + begin);
}

std::byte* Arena::allocate_scratch(std::size_t bytes) {
  scratch_bytes_ += align_up(bytes, kAlignment);
  return allocate(bytes);
}

}  // namespace steadyflux
