// An operation kept until the device comes to it, and its tensors found in the device's memory then.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "backend/simulated/device_pool.h"
#include "ops/movable_op.h"

namespace steadyflux::simulated {

// Holds a copy of an operation and of its parts. Neither copied nor moved: the operation points into it.
class HeldOp {
 public:
  HeldOp(const ops::Op& op, std::span<std::byte> scratch) : held_(op), scratch_(scratch) {}

  // Replaces device addresses by those of the host, and holds the blocks they are in. Once.
  void place(const DevicePool& pool);

  const ops::Op& op() const { return held_.op(); }
  std::span<std::byte> scratch() const { return scratch_; }

 private:
  ops::MovableOp held_;
  std::span<std::byte> scratch_;
  std::vector<std::shared_ptr<HostBlock>> blocks_;
};

}  // namespace steadyflux::simulated
