// The layers that every network is made of, as calls that read like the formulas. Stateless; each is one operation.
// Linear layers multiply as the executor's compute() says.
#pragma once

#include "backend/executor.h"
#include "nn/weights.h"

namespace steadyflux {

// x itself when it has the dtype already, otherwise a copy of it in the arena. x: [rows, width].
Tensor as_dtype(const Executor& executor, const Tensor& x, DType dtype);

// out = act(x weight^T + bias). x: [rows, in], out: [rows, out].
void linear(const Executor& executor, const Tensor& x, const ops::Linear& layer, const Tensor& out,
            ops::Activation activation = ops::Activation::kNone);

// stream += gate * (x weight^T + bias), gate optional: the end of a residual branch.
void linear_into_stream(const Executor& executor, const Tensor& x, const ops::Linear& layer, const Tensor& stream,
                        const Tensor& gate = {});

// The projections of an attention's queries, keys and values.
struct QkvWeights {
  ops::Linear q, k, v;
};

// Columns of one buffer [rows, 3 * width]: queries, keys, values of the same tokens side by side.
struct Qkv {
  Tensor q, k, v;  // [rows, width]
};
Qkv split_qkv(const Tensor& qkv);

// The three projections of x at once. x: [rows, in].
void project_qkv(const Executor& executor, const Tensor& x, const QkvWeights& weights, const Qkv& out);

// Attention over heads that lie side by side in a row. q, out: [q_rows, width]; k, v: [kv_rows, width].
struct AttentionOptions {
  float scale = 1;
  bool causal = false;
  Tensor relative_bias = {};  // [heads, q_rows + kv_rows - 1] f32, optional
};
void attention(const Executor& executor, const Qkv& qkv, std::int64_t num_heads, const AttentionOptions& options,
               const Tensor& out);

// out = LN(x) * weight + bias.
void layer_norm(const Executor& executor, const Tensor& x, const NormWeights& norm, float eps, const Tensor& out);

}  // namespace steadyflux
