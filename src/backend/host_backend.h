// What backends have in common whose device is the host: memory is the host's, and work is done when a call returns.
#pragma once

#include "backend/backend.h"

namespace steadyflux {

// Thread rule: as Backend.
class HostBackend : public Backend {
 public:
  bool is_discrete() const override { return false; }
  DeviceMemory device_memory() const override { return {}; }
  std::unique_ptr<Region> reserve_host(std::size_t bytes) override { return reserve(bytes); }
  void upload(std::span<const std::byte> host, const Tensor& tensor) override;
  void download(const Tensor& tensor, std::span<std::byte> host) override;
  Event copy_async(std::span<const std::byte> host, std::byte* device) override;
  Event record(Stream) noexcept override { return {}; }
  void wait(Event) override {}
  void wait_on(Stream, Event) override {}
};

// Throws Error(kInternal) unless `tensor` is contiguous and has `host_bytes` bytes: what upload and download ask for.
void check_copy(const Tensor& tensor, std::size_t host_bytes);

}  // namespace steadyflux
