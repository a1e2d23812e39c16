// The memory of the simulated device: blocks at addresses that mean nothing to the host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>

#include "platform/page_region.h"

namespace steadyflux::simulated {

// Where a block really lies. It stays as long as someone holds it.
struct HostBlock {
  PageRegion pages;
  std::size_t size_bytes = 0;
};

// Memory of a block, held.
struct HostView {
  std::span<std::byte> bytes;
  std::shared_ptr<HostBlock> block;
};

// Blocks that together never exceed the capacity. An address is never given twice, nor does one block follow another.
// Thread rule: any thread.
class DevicePool {
 public:
  explicit DevicePool(std::uint64_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}

  // The device address of a new block of 0xFF bytes, aligned to pages. Throws Error(kIo) when there is no room.
  std::byte* reserve(std::size_t bytes);
  void give_back(const std::byte* address) noexcept;

  // The host's view of device memory. Throws Error(kInternal) when it is not wholly inside a block that is reserved.
  HostView find(const std::byte* address, std::size_t bytes) const;

  std::uint64_t reserved_bytes() const;

 private:
  const std::uint64_t capacity_bytes_;
  mutable std::mutex mutex_;
  std::map<std::uintptr_t, std::shared_ptr<HostBlock>> blocks_;  // by device address; all below guarded by mutex_
  std::uint64_t reserved_bytes_ = 0;
  std::uintptr_t next_address_ = 0;
};

}  // namespace steadyflux::simulated
