#include "backend/simulated/held_op.h"

#include "base/checked.h"

namespace steadyflux::simulated {
namespace {

// Blocks from that of the first element to that of the last, gaps between rows included.
std::int64_t extent_blocks(const Tensor& tensor) {
  std::int64_t last = 0;
  for (int i = 0; i < tensor.rank(); ++i) last += (tensor.dim(i) - 1) * tensor.strides[static_cast<std::size_t>(i)];
  return ceil_div(last + 1, block_shape(tensor.dtype).elements);
}

std::size_t extent_bytes(const Tensor& tensor) {
  return static_cast<std::size_t>(extent_blocks(tensor)) * dtype_bytes(tensor.dtype);
}

// The scale behind the last one of the weight, counted from the first one of all.
std::int64_t end_of_scales(const Tensor& weight) {
  return weight.scales.first + (weight.dtype == DType::kI8 ? weight.dim(0) : extent_blocks(weight));
}

// Calls `visit` with each tensor of an operation; a tensor missing here would be found by the first run that reads it.
template <typename Visit>
struct Tensors {
  Visit& visit;

  template <typename... Each>
  void all(Each&... tensors) const {
    (visit(tensors), ...);
  }
  void operator()(ops::LinearMany& op) const { all(op.x); }  // its parts are the holder's
  void operator()(ops::LayerNorm& op) const { all(op.x, op.scale, op.shift, op.out); }
  void operator()(ops::RmsNorm& op) const { all(op.x, op.weight, op.out); }
  void operator()(ops::QkNormRope& op) const { all(op.x, op.weight, op.pe); }
  void operator()(ops::Attention& op) const { all(op.q, op.k, op.v, op.relative_bias, op.out); }
  void operator()(ops::GroupNormRows& op) const { all(op.x, op.moments); }
  void operator()(ops::GroupNormStats& op) const { all(op.moments, op.stats); }
  void operator()(ops::GroupNormApply& op) const { all(op.x, op.stats, op.weight, op.bias, op.out); }
  void operator()(ops::Conv2d& op) const { all(op.x, op.weight, op.bias, op.out); }
  void operator()(ops::EmbedRows& op) const { all(op.table, op.ids, op.positions, op.out); }
  void operator()(ops::Glu& op) const { all(op.gate, op.up, op.out); }
  void operator()(ops::Add& op) const { all(op.a, op.b, op.out); }
  void operator()(ops::EulerStep& op) const { all(op.latents, op.velocity); }
  void operator()(ops::TrueCfg& op) const { all(op.positive, op.negative, op.out); }
  void operator()(ops::UnpackLatents& op) const { all(op.packed, op.image); }
  void operator()(ops::PackLatents& op) const { all(op.image, op.packed); }
  void operator()(ops::ToRgb8& op) const { all(op.x, op.out); }
};

}  // namespace

HeldOp::HeldOp(const ops::Op& op, std::span<std::byte> scratch) : op_(op), scratch_(scratch) {
  if (auto* linear = std::get_if<ops::LinearMany>(&op_)) {
    parts_.assign(linear->parts.begin(), linear->parts.end());
    linear->parts = parts_;
  }
}

void HeldOp::place(const DevicePool& pool) {
  const auto host_bytes = [&](const std::byte* address, std::size_t bytes) {
    HostView view = pool.find(address, bytes);
    blocks_.push_back(std::move(view.block));
    return view.bytes;
  };
  const auto place = [&](Tensor& tensor) {
    if (tensor.empty()) return;
    tensor.data = host_bytes(tensor.data, extent_bytes(tensor)).data();
    if (tensor.scales.values == nullptr) return;
    const std::int64_t end = end_of_scales(tensor);
    Scales placed = tensor.scales;
    placed.values = host_bytes(placed.values, tensor.scales.values_bytes(end)).data();
    if (placed.nested != nullptr) placed.nested = host_bytes(placed.nested, tensor.scales.nested_bytes(end)).data();
    tensor.scales = placed;
  };
  for (ops::LinearPart& part : parts_) {
    for (Tensor* tensor : {&part.linear.weight, &part.linear.bias, &part.out, &part.gate}) place(*tensor);
  }
  std::visit(Tensors<decltype(place)>{place}, op_);
  if (!scratch_.empty()) scratch_ = host_bytes(scratch_.data(), scratch_.size());
}

}  // namespace steadyflux::simulated
