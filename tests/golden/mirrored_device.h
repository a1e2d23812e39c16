// A device with memory of its own as one whose memory is the host's, so that a test can look at everything.
#pragma once

#include <memory>
#include <string>

#include "backend/host_backend.h"

namespace steadyflux::golden {

// Computes on the device: copies all that an operation touches there before it and back after it. Slow, and for small
// models that does not matter. Thread rule: as Backend.
class MirroredDevice final : public HostBackend {
 public:
  explicit MirroredDevice(std::unique_ptr<Backend> device);

  std::string_view name() const override { return device_->name(); }
  std::string arithmetic() const override { return device_->arithmetic(); }
  // Nothing of the host's: scratch is the device's.
  std::size_t scratch_bytes(const ops::Op& op) override;
  void run(const ops::Op& op, std::span<std::byte> scratch) override;
  std::unique_ptr<Region> reserve(std::size_t bytes) override;

 private:
  std::unique_ptr<Backend> device_;
  std::unique_ptr<Backend> host_;  // gives host memory
};

}  // namespace steadyflux::golden
