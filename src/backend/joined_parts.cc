#include "backend/joined_parts.h"

namespace steadyflux {
namespace {

std::size_t bytes_of(std::int64_t elements, DType dtype) {
  return static_cast<std::size_t>(elements) * dtype_bytes(dtype);
}

// Scales of a weight, where its type keeps them apart: one for each row or block.
std::int64_t num_scales(const Tensor& weight) {
  return weight.dtype == DType::kI8 ? weight.dim(0) : weight.shape.num_elements() / block_shape(weight.dtype).elements;
}

bool are_alike(const ops::LinearPart& a, const ops::LinearPart& b) {
  const Tensor& weight = a.linear.weight;
  const bool same_layers = weight.dtype == b.linear.weight.dtype && weight.dim(1) == b.linear.weight.dim(1) &&
                           a.linear.bias.empty() == b.linear.bias.empty() && a.linear.bias.dtype == b.linear.bias.dtype;
  const bool same_outputs = a.out.dtype == b.out.dtype && a.out.row_stride() == b.out.row_stride() &&
                            a.out.dim(1) + b.out.dim(1) <= a.out.row_stride();
  return same_layers && same_outputs && a.activation == b.activation && a.accumulate == b.accumulate &&
         a.compute == b.compute && a.gate.empty() && b.gate.empty();
}

// Whether the weights can be one tensor wherever they lie.
bool can_follow(const Tensor& a, const Tensor& b) {
  return a.is_contiguous() && b.is_contiguous() && a.scales.nested == nullptr && b.scales.nested == nullptr;
}

bool weights_follow(const Tensor& a, const Tensor& b) {
  if (b.data != a.data + a.num_bytes()) return false;
  if (a.scales.values == nullptr) return b.scales.values == nullptr;
  return b.scales.values != nullptr && b.scales.values + bytes_of(b.scales.first, DType::kF32) ==
                                           a.scales.values + bytes_of(a.scales.first + num_scales(a), DType::kF32);
}

bool lie_together(const ops::LinearPart& a, const ops::LinearPart& b) {
  const Tensor& bias = a.linear.bias;
  return weights_follow(a.linear.weight, b.linear.weight) &&
         (bias.empty() || b.linear.bias.data == bias.data + bias.num_bytes()) &&
         b.out.data == a.out.data + bytes_of(a.out.dim(1), a.out.dtype);
}

void append(ops::LinearPart& part, const ops::LinearPart& next) {
  const std::int64_t features = part.out.dim(1) + next.out.dim(1);
  part.linear.weight.shape = {features, part.linear.weight.dim(1)};
  if (!part.linear.bias.empty()) part.linear.bias.shape = {features};
  part.out.shape = {part.out.dim(0), features};
}

}  // namespace

JoinedParts::JoinedParts(const ops::LinearMany& op, PartPlaces places) : op_(op), num_given_(op.parts.size()) {
  if (op.parts.size() < 2 || op.parts.size() > kMostParts) return;
  std::size_t count = 0;
  for (const ops::LinearPart& part : op.parts) {
    ops::LinearPart* const last = count > 0 ? &parts_[count - 1] : nullptr;
    if (last != nullptr && are_alike(*last, part) && can_follow(last->linear.weight, part.linear.weight) &&
        (places == PartPlaces::kUnknown || lie_together(*last, part))) {
      append(*last, part);
    } else {
      parts_[count++] = part;
    }
  }
  op_.parts = std::span(parts_).first(count);
}

}  // namespace steadyflux
