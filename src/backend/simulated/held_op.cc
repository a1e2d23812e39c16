#include "backend/simulated/held_op.h"

namespace steadyflux::simulated {

void HeldOp::place(const DevicePool& pool) {
  const auto host_bytes = [&](const std::byte* address, std::size_t bytes) {
    HostView view = pool.find(address, bytes);
    blocks_.push_back(std::move(view.block));
    return view.bytes;
  };
  held_.move([&](std::byte* address, std::size_t bytes) { return host_bytes(address, bytes).data(); });
  if (!scratch_.empty()) scratch_ = host_bytes(scratch_.data(), scratch_.size());
}

}  // namespace steadyflux::simulated
