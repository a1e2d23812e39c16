#include "ops/ops.h"

#include <type_traits>

namespace steadyflux::ops {
namespace {

double elements(const Tensor& tensor) { return static_cast<double>(tensor.shape.num_elements()); }

// Of the scales that so many rows of a weight have apart.
double scales_traffic(const Tensor& weight, std::int64_t num_rows) {
  if (weight.scales.values == nullptr) return 0;
  const std::int64_t count = num_rows * scales_per_row(weight.dtype, weight.dim(1));
  return static_cast<double>(weight.scales.values_bytes(count) + weight.scales.nested_bytes(count));
}

// The traffic of one pass over a tensor; none for an absent one.
double traffic(const Tensor& tensor) {
  if (tensor.empty()) return 0;
  return static_cast<double>(tensor.num_bytes()) + scales_traffic(tensor, tensor.dim(0));
}

template <typename... Tensors>
double traffic(const Tensor& first, const Tensors&... rest) {
  return traffic(first) + (traffic(rest) + ...);
}

double product(std::int64_t a, std::int64_t b) { return static_cast<double>(a) * static_cast<double>(b); }

// Elementwise work is counted roughly, an activation function as this many operations: it never decides a plan.
constexpr double kActivationFlops = 8;

double activation_flops(Activation activation) { return activation == Activation::kNone ? 0 : kActivationFlops; }

Cost cost_of(const LinearMany& op) {
  Cost total{0, traffic(op.x)};
  for (const LinearPart& part : op.parts) {
    total.flops += 2 * elements(part.linear.weight) * static_cast<double>(op.x.dim(0));
    total.bytes += traffic(part.linear.weight, part.linear.bias, part.gate);
    total.bytes += traffic(part.out) * (part.accumulate ? 2 : 1);
  }
  return total;
}

Cost cost_of(const LayerNorm& op) { return {8 * elements(op.x), traffic(op.x, op.scale, op.shift, op.out)}; }

Cost cost_of(const RmsNorm& op) { return {4 * elements(op.x), traffic(op.x, op.weight, op.out)}; }

Cost cost_of(const QkNormRope& op) {
  return {(op.pe.empty() ? 4 : 7) * elements(op.x), 2 * traffic(op.x) + traffic(op.weight, op.pe)};
}

// Pairs (i, j) that are scored.
double attention_pairs(std::int64_t q_rows, std::int64_t kv_rows, bool causal) {
  if (!causal) return product(q_rows, kv_rows);
  const std::int64_t triangle = q_rows < kv_rows ? q_rows : kv_rows;
  return product(triangle, triangle + 1) / 2 + product(q_rows - triangle, kv_rows);
}

// Two products of head_dim multiply-adds for each pair and head; the softmax is not counted.
Cost cost_of(const Attention& op) {
  const double pairs = attention_pairs(op.q.dim(0), op.k.dim(0), op.causal);
  return {4 * pairs * product(op.q.dim(1), op.q.dim(2)), traffic(op.q, op.k, op.v, op.relative_bias, op.out)};
}

Cost cost_of(const GroupNormRows& op) { return {4 * elements(op.x), traffic(op.x, op.moments)}; }

Cost cost_of(const GroupNormStats& op) { return {2 * elements(op.moments), traffic(op.moments, op.stats)}; }

Cost cost_of(const GroupNormApply& op) {
  return {(4 + activation_flops(op.activation)) * elements(op.x), traffic(op.x, op.stats, op.weight, op.bias, op.out)};
}

Cost cost_of(const Conv2d& op) {
  const double pixels = product(op.out.dim(0), op.out.dim(1));
  return {2 * pixels * elements(op.weight),
          traffic(op.x, op.weight, op.bias, op.out) + (op.accumulate ? traffic(op.out) : 0)};
}

// Only the rows that are looked up are read.
Cost cost_of(const EmbedRows& op) {
  const double read =
      static_cast<double>(tensor_bytes(op.table.dtype, op.out.shape)) + scales_traffic(op.table, op.out.dim(0));
  const double positions =
      op.positions.empty() ? 0 : elements(op.out) * static_cast<double>(dtype_bytes(op.positions.dtype));
  return {op.positions.empty() ? 0 : elements(op.out), read + positions + traffic(op.ids, op.out)};
}

Cost cost_of(const Glu& op) {
  return {(1 + activation_flops(op.activation)) * elements(op.out), traffic(op.gate, op.up, op.out)};
}

Cost cost_of(const Add& op) {
  const double sum = op.b.empty() ? 0 : 1;
  return {(sum + activation_flops(op.activation)) * elements(op.out), traffic(op.a, op.b, op.out)};
}

Cost cost_of(const EulerStep& op) { return {2 * elements(op.latents), 2 * traffic(op.latents) + traffic(op.velocity)}; }

Cost cost_of(const TrueCfg& op) { return {3 * elements(op.out), traffic(op.positive, op.negative, op.out)}; }

Cost cost_of(const UnpackLatents& op) { return {2 * elements(op.image), traffic(op.image, op.packed)}; }

Cost cost_of(const PackLatents& op) { return {2 * elements(op.image), traffic(op.image, op.packed)}; }

Cost cost_of(const ToRgb8& op) { return {5 * elements(op.x), traffic(op.x, op.out)}; }

template <typename Type>
constexpr OpClass class_of() {
  constexpr bool is_norm = std::is_same_v<Type, LayerNorm> || std::is_same_v<Type, RmsNorm> ||
                           std::is_same_v<Type, QkNormRope> || std::is_same_v<Type, GroupNormRows> ||
                           std::is_same_v<Type, GroupNormStats> || std::is_same_v<Type, GroupNormApply>;
  if constexpr (std::is_same_v<Type, LinearMany>) return OpClass::kLinear;
  if constexpr (std::is_same_v<Type, Attention>) return OpClass::kAttention;
  if constexpr (std::is_same_v<Type, Conv2d>) return OpClass::kConvolution;
  return is_norm ? OpClass::kNorm : OpClass::kElementwise;
}

}  // namespace

OpClass op_class(const Op& op) {
  return std::visit([](const auto& each) { return class_of<std::decay_t<decltype(each)>>(); }, op);
}

const char* op_class_name(OpClass op_class) {
  switch (op_class) {
    case OpClass::kLinear:
      return "linear";
    case OpClass::kAttention:
      return "attention";
    case OpClass::kConvolution:
      return "convolution";
    case OpClass::kNorm:
      return "norm";
    case OpClass::kElementwise:
      return "elementwise";
  }
  return "";
}

Cost cost(const Op& op) {
  return std::visit([](const auto& each) { return cost_of(each); }, op);
}

}  // namespace steadyflux::ops
