#include "golden/mirrored_device.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "backend/arena.h"
#include "backend/reference/reference_backend.h"
#include "base/checked.h"
#include "ops/movable_op.h"

namespace steadyflux::golden {
namespace {

// A stretch of host memory and where the device has it.
struct Stretch {
  std::byte* begin = nullptr;
  std::byte* end = nullptr;
  std::size_t device_offset = 0;

  std::span<std::byte> bytes() const { return {begin, end}; }
};

// All that the operation touches, tensors that overlap in one stretch, so that they do so on the device.
std::vector<Stretch> stretches_of(ops::MovableOp& op) {
  std::vector<Stretch> pieces;
  op.move([&](std::byte* address, std::size_t bytes) {
    pieces.push_back({address, address + bytes});
    return address;
  });
  std::ranges::sort(pieces, {}, &Stretch::begin);
  std::vector<Stretch> stretches;
  for (const Stretch& piece : pieces) {
    if (stretches.empty() || piece.begin >= stretches.back().end) {
      stretches.push_back(piece);
    } else {
      stretches.back().end = std::max(stretches.back().end, piece.end);
    }
  }
  return stretches;
}

// Gives each stretch its place and returns the bytes of all. Addresses are as far from aligned ones as on the host.
std::size_t place(std::vector<Stretch>& stretches) {
  std::size_t bytes = 0;
  for (Stretch& stretch : stretches) {
    stretch.device_offset = bytes + reinterpret_cast<std::uintptr_t>(stretch.begin) % Arena::kAlignment;
    bytes = align_up(stretch.device_offset + stretch.bytes().size(), Arena::kAlignment);
  }
  return bytes;
}

Tensor device_bytes(std::byte* memory, const Stretch& stretch) {
  return {memory + stretch.device_offset, DType::kU8, {static_cast<std::int64_t>(stretch.bytes().size())}};
}

}  // namespace

MirroredDevice::MirroredDevice(std::unique_ptr<Backend> device)
    : device_(std::move(device)), host_(make_reference_backend()) {}

std::size_t MirroredDevice::scratch_bytes(const ops::Op& /*op*/) { return 0; }

void MirroredDevice::run(const ops::Op& op, std::span<std::byte> /*scratch*/) {
  const std::size_t scratch_bytes = device_->scratch_bytes(op);
  ops::MovableOp moved(op);
  std::vector<Stretch> stretches = stretches_of(moved);
  const std::size_t bytes = place(stretches);
  const auto region = device_->reserve(bytes + scratch_bytes);
  for (const Stretch& stretch : stretches) device_->upload(stretch.bytes(), device_bytes(region->data(), stretch));
  moved.move([&](std::byte* address, std::size_t) {
    const auto after = std::ranges::upper_bound(stretches, address, {}, &Stretch::begin);
    const Stretch& stretch = *(after - 1);
    return region->data() + stretch.device_offset + (address - stretch.begin);
  });
  device_->run(moved.op(), {region->data() + bytes, scratch_bytes});
  for (const Stretch& stretch : stretches) device_->download(device_bytes(region->data(), stretch), stretch.bytes());
}

std::unique_ptr<Region> MirroredDevice::reserve(std::size_t bytes) { return host_->reserve(bytes); }

}  // namespace steadyflux::golden
