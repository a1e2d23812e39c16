// The CLIP text encoder's weights, group by group.
#pragma once

#include "model/clip/clip.h"
#include "nn/layers.h"
#include "nn/weights.h"

namespace steadyflux {

struct ClipEmbeddings {
  Tensor tokens;     // [vocab_size, width]
  Tensor positions;  // [max_positions, width]
};

struct ClipLayer {
  NormWeights attention_norm;
  QkvWeights qkv;
  ops::Linear attention_out;
  NormWeights mlp_norm;
  ops::Linear mlp_in;
  ops::Linear mlp_out;
};

struct ClipFinalNorm {
  NormWeights norm;
};

template <typename Visitor>
void visit(ClipEmbeddings& weights, const ClipConfig& config, Visitor&& visitor) {
  visitor.matrix(weights.tokens, "embeddings.token_embedding", "weight", Shape{config.vocab_size, config.width});
  visitor(weights.positions, "embeddings.position_embedding", "weight", Shape{config.max_positions, config.width});
}

template <typename Visitor>
void visit(ClipLayer& weights, const ClipConfig& config, Visitor&& visitor) {
  const std::int64_t width = config.width;
  visit_norm(weights.attention_norm, "layer_norm1", width, visitor);
  visit_linear(weights.qkv.q, "self_attn.q_proj", width, width, visitor);
  visit_linear(weights.qkv.k, "self_attn.k_proj", width, width, visitor);
  visit_linear(weights.qkv.v, "self_attn.v_proj", width, width, visitor);
  visit_linear(weights.attention_out, "self_attn.out_proj", width, width, visitor);
  visit_norm(weights.mlp_norm, "layer_norm2", width, visitor);
  visit_linear(weights.mlp_in, "mlp.fc1", config.mlp_width, width, visitor);
  visit_linear(weights.mlp_out, "mlp.fc2", width, config.mlp_width, visitor);
}

template <typename Visitor>
void visit(ClipFinalNorm& weights, const ClipConfig& config, Visitor&& visitor) {
  visit_norm(weights.norm, "final_layer_norm", config.width, visitor);
}

}  // namespace steadyflux
