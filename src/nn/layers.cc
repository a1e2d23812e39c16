#include "nn/layers.h"

#include <array>

namespace steadyflux {

Tensor as_dtype(const Executor& executor, const Tensor& x, DType dtype) {
  if (x.dtype == dtype) return x;
  const Tensor copy = executor.allocate(dtype, x.shape);
  executor.run(ops::Add{.a = x, .out = copy});
  return copy;
}

void linear(const Executor& executor, const Tensor& x, const ops::Linear& layer, const Tensor& out,
            ops::Activation activation) {
  const ops::LinearPart part{.linear = layer, .out = out, .activation = activation, .compute = executor.compute()};
  executor.run(ops::LinearMany{x, {&part, 1}});
}

void linear_into_stream(const Executor& executor, const Tensor& x, const ops::Linear& layer, const Tensor& stream,
                        const Tensor& gate) {
  const ops::LinearPart part{
      .linear = layer, .out = stream, .gate = gate, .accumulate = true, .compute = executor.compute()};
  executor.run(ops::LinearMany{x, {&part, 1}});
}

Qkv split_qkv(const Tensor& qkv) {
  const std::int64_t width = qkv.dim(1) / 3;
  return {qkv.cols(0, width), qkv.cols(width, width), qkv.cols(2 * width, width)};
}

void project_qkv(const Executor& executor, const Tensor& x, const QkvWeights& weights, const Qkv& out) {
  const ops::Compute compute = executor.compute();
  const std::array<ops::LinearPart, 3> parts = {ops::LinearPart{.linear = weights.q, .out = out.q, .compute = compute},
                                                ops::LinearPart{.linear = weights.k, .out = out.k, .compute = compute},
                                                ops::LinearPart{.linear = weights.v, .out = out.v, .compute = compute}};
  executor.run(ops::LinearMany{x, parts});
}

void attention(const Executor& executor, const Qkv& qkv, std::int64_t num_heads, const AttentionOptions& options,
               const Tensor& out) {
  executor.run(ops::Attention{.q = qkv.q.split_heads(num_heads),
                              .k = qkv.k.split_heads(num_heads),
                              .v = qkv.v.split_heads(num_heads),
                              .relative_bias = options.relative_bias,
                              .scale = options.scale,
                              .causal = options.causal,
                              .out = out.split_heads(num_heads)});
}

void layer_norm(const Executor& executor, const Tensor& x, const NormWeights& norm, float eps, const Tensor& out) {
  executor.run(ops::LayerNorm{.x = x, .scale = norm.weight, .shift = norm.bias, .eps = eps, .out = out});
}

}  // namespace steadyflux
