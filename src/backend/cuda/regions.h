// Memory of a CUDA device, and host memory that it copies from at the full rate.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "backend/backend.h"
#include "platform/page_region.h"

namespace steadyflux::cuda {

// Of the calling thread's device, which backs it with memory at once. `reserved_bytes` counts what regions hold, and
// outlives them. Throws Error(kIo) when the device has no room.
class DeviceRegion final : public Region {
 public:
  DeviceRegion(std::size_t bytes, std::atomic<std::uint64_t>& reserved_bytes);
  ~DeviceRegion() override;
  std::byte* data() const override { return data_; }
  std::size_t size_bytes() const override { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_;
  std::atomic<std::uint64_t>& reserved_bytes_;
};

// Pages of this process, so that they are counted among its bytes, which the driver locks in place and maps for the
// device. Throws Error(kIo) when it refuses.
class PinnedRegion final : public Region {
 public:
  explicit PinnedRegion(std::size_t bytes);
  ~PinnedRegion() override;
  std::byte* data() const override { return pages_.data(); }
  std::size_t size_bytes() const override { return bytes_; }

 private:
  std::size_t bytes_;
  PageRegion pages_;
};

}  // namespace steadyflux::cuda
