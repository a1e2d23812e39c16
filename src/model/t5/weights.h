// The T5 encoder's weights, group by group.
#pragma once

#include "model/t5/t5.h"
#include "nn/layers.h"
#include "nn/weights.h"

namespace steadyflux {

struct T5Embeddings {
  Tensor tokens;         // [vocab_size, d_model]
  Tensor relative_bias;  // [num_buckets, num_heads]; it stands in the first layer and serves all
};

struct T5Layer {
  Tensor attention_norm;  // [d_model]
  QkvWeights qkv;
  ops::Linear attention_out;
  Tensor mlp_norm;  // [d_model]
  ops::Linear gate;
  ops::Linear up;
  ops::Linear mlp_out;
};

struct T5FinalNorm {
  Tensor norm;  // [d_model]
};

template <typename Visitor>
void visit(T5Embeddings& weights, const T5Config& config, Visitor&& visitor) {
  visitor.matrix(weights.tokens, "shared", "weight", Shape{config.vocab_size, config.d_model});
  visitor(weights.relative_bias, "encoder.block.0.layer.0.SelfAttention.relative_attention_bias", "weight",
          Shape{config.num_buckets, config.num_heads});
}

template <typename Visitor>
void visit(T5Layer& weights, const T5Config& config, Visitor&& visitor) {
  const std::int64_t d_model = config.d_model;
  const std::int64_t inner = config.inner_width();
  visitor(weights.attention_norm, "layer.0.layer_norm", "weight", Shape{d_model});
  visit_linear_without_bias(weights.qkv.q, "layer.0.SelfAttention.q", inner, d_model, visitor);
  visit_linear_without_bias(weights.qkv.k, "layer.0.SelfAttention.k", inner, d_model, visitor);
  visit_linear_without_bias(weights.qkv.v, "layer.0.SelfAttention.v", inner, d_model, visitor);
  visit_linear_without_bias(weights.attention_out, "layer.0.SelfAttention.o", d_model, inner, visitor);
  visitor(weights.mlp_norm, "layer.1.layer_norm", "weight", Shape{d_model});
  visit_linear_without_bias(weights.gate, "layer.1.DenseReluDense.wi_0", config.d_ff, d_model, visitor);
  visit_linear_without_bias(weights.up, "layer.1.DenseReluDense.wi_1", config.d_ff, d_model, visitor);
  visit_linear_without_bias(weights.mlp_out, "layer.1.DenseReluDense.wo", d_model, config.d_ff, visitor);
}

template <typename Visitor>
void visit(T5FinalNorm& weights, const T5Config& config, Visitor&& visitor) {
  visitor(weights.norm, "encoder.final_layer_norm", "weight", Shape{config.d_model});
}

}  // namespace steadyflux
