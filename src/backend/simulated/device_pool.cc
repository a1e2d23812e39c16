#include "backend/simulated/device_pool.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

namespace steadyflux::simulated {
namespace {

// No processor with 64-bit addresses has memory here: the upper bits are neither all clear nor all set.
constexpr std::uintptr_t kFirstAddress = std::uintptr_t{0x5A} << 56;
constexpr std::size_t kGapBytes = std::size_t{1} << 21;
constexpr int kPoison = 0xFF;

void poison(HostBlock& block) {
  if (block.size_bytes > 0) std::memset(block.pages.data(), kPoison, block.size_bytes);
}

}  // namespace

std::byte* DevicePool::reserve(std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes > capacity_bytes_ - reserved_bytes_) {
    fail(ErrorCode::kIo, "the device has no room for ", format_bytes(bytes), ": ", format_bytes(reserved_bytes_),
         " of its ", format_bytes(capacity_bytes_), " are in use");
  }
  auto block = std::make_shared<HostBlock>(HostBlock{PageRegion(bytes), bytes});
  poison(*block);
  const std::uintptr_t address = kFirstAddress + next_address_;
  next_address_ += align_up(bytes, kGapBytes) + kGapBytes;
  reserved_bytes_ += bytes;
  blocks_.emplace(address, std::move(block));
  return reinterpret_cast<std::byte*>(address);
}

void DevicePool::give_back(const std::byte* address) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = blocks_.find(reinterpret_cast<std::uintptr_t>(address));
  // Work that should have been waited for may still hold it.
  poison(*found->second);
  reserved_bytes_ -= found->second->size_bytes;
  blocks_.erase(found);
}

HostView DevicePool::find(const std::byte* address, std::size_t bytes) const {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  const std::lock_guard lock(mutex_);
  auto found = blocks_.upper_bound(wanted);
  ensure(found != blocks_.begin(), "an address outside the device's memory");
  --found;
  const std::size_t offset = wanted - found->first;
  const std::size_t size = found->second->size_bytes;
  ensure(offset <= size && bytes <= size - offset, bytes, " bytes that are not in the device's memory, ", offset,
         " after the start of a region of ", size);
  return {{found->second->pages.data() + offset, bytes}, found->second};
}

std::uint64_t DevicePool::reserved_bytes() const {
  const std::lock_guard lock(mutex_);
  return reserved_bytes_;
}

}  // namespace steadyflux::simulated
