#include "ops/movable_op.h"

#include "base/checked.h"

namespace steadyflux::ops {
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
  void operator()(LinearMany& op) const { all(op.x); }  // its parts are the holder's
  void operator()(LayerNorm& op) const { all(op.x, op.scale, op.shift, op.out); }
  void operator()(RmsNorm& op) const { all(op.x, op.weight, op.out); }
  void operator()(QkNormRope& op) const { all(op.x, op.weight, op.pe); }
  void operator()(Attention& op) const { all(op.q, op.k, op.v, op.relative_bias, op.out); }
  void operator()(GroupNormRows& op) const { all(op.x, op.moments); }
  void operator()(GroupNormStats& op) const { all(op.moments, op.stats); }
  void operator()(GroupNormApply& op) const { all(op.x, op.stats, op.weight, op.bias, op.out); }
  void operator()(Conv2d& op) const { all(op.x, op.weight, op.bias, op.out); }
  void operator()(EmbedRows& op) const { all(op.table, op.ids, op.positions, op.out); }
  void operator()(Glu& op) const { all(op.gate, op.up, op.out); }
  void operator()(Add& op) const { all(op.a, op.b, op.out); }
  void operator()(EulerStep& op) const { all(op.latents, op.velocity); }
  void operator()(TrueCfg& op) const { all(op.positive, op.negative, op.out); }
  void operator()(UnpackLatents& op) const { all(op.packed, op.image); }
  void operator()(PackLatents& op) const { all(op.image, op.packed); }
  void operator()(ToRgb8& op) const { all(op.x, op.out); }
};

}  // namespace

MovableOp::MovableOp(const Op& op) : op_(op) {
  if (auto* linear = std::get_if<LinearMany>(&op_)) {
    parts_.assign(linear->parts.begin(), linear->parts.end());
    linear->parts = parts_;
  }
}

void MovableOp::move(FunctionRef<std::byte*(std::byte*, std::size_t)> place) {
  const auto move_tensor = [&](Tensor& tensor) {
    if (tensor.empty()) return;
    tensor.data = place(tensor.data, extent_bytes(tensor));
    Scales& scales = tensor.scales;
    if (scales.values == nullptr) return;
    const std::int64_t end = end_of_scales(tensor);
    const std::size_t nested_bytes = scales.nested != nullptr ? scales.nested_bytes(end) : 0;
    scales.values = place(scales.values, scales.values_bytes(end));
    if (nested_bytes > 0) scales.nested = place(scales.nested, nested_bytes);
  };
  for (LinearPart& part : parts_) {
    for (Tensor* tensor : {&part.linear.weight, &part.linear.bias, &part.out, &part.gate}) move_tensor(*tensor);
  }
  std::visit(Tensors<decltype(move_tensor)>{move_tensor}, op_);
}

}  // namespace steadyflux::ops
