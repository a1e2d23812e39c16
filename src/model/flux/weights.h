// The transformer's weights, group by group.
#pragma once

#include <cstdint>

#include "model/flux/flux.h"
#include "nn/layers.h"
#include "nn/weights.h"

namespace steadyflux {

// linear_2(silu(linear_1(x))): how timestep, guidance and pooled prompt become vectors.
struct FluxEmbedder {
  ops::Linear in;   // [width, input]
  ops::Linear out;  // [width, width]
};

struct FluxConditionWeights {
  FluxEmbedder timestep;
  FluxEmbedder guidance;  // empty unless guidance_embeds
  FluxEmbedder pooled;
};

// A single linear layer as a group: context_embedder, x_embedder and every modulation layer.
struct FluxLinear {
  ops::Linear linear;
};

// One stream's part of a double block.
struct FluxStreamWeights {
  QkvWeights qkv;
  Tensor norm_q;    // [head_dim]
  Tensor norm_k;    // [head_dim]
  ops::Linear out;  // of the attention
  ops::Linear mlp_in;
  ops::Linear mlp_out;
};

struct FluxDoubleBlock {
  FluxStreamWeights img;
  FluxStreamWeights txt;
};

struct FluxSingleBlock {
  QkvWeights qkv;
  Tensor norm_q;  // [head_dim]
  Tensor norm_k;  // [head_dim]
  ops::Linear mlp_in;
  ops::Linear out;  // of attention and MLP side by side: [width, width + mlp_width]
};

template <typename Visitor>
void visit(FluxConditionWeights& weights, const FluxConfig& config, Visitor&& visitor) {
  const std::int64_t width = config.width();
  visit_linear(weights.timestep.in, "timestep_embedder.linear_1", width, kSinusoidWidth, visitor);
  visit_linear(weights.timestep.out, "timestep_embedder.linear_2", width, width, visitor);
  if (config.guidance_embeds) {
    visit_linear(weights.guidance.in, "guidance_embedder.linear_1", width, kSinusoidWidth, visitor);
    visit_linear(weights.guidance.out, "guidance_embedder.linear_2", width, width, visitor);
  }
  visit_linear(weights.pooled.in, "text_embedder.linear_1", width, config.pooled_projection_dim, visitor);
  visit_linear(weights.pooled.out, "text_embedder.linear_2", width, width, visitor);
}

template <typename Visitor>
void visit(FluxLinear& weights, std::string_view module, std::int64_t out_features, std::int64_t in_features,
           Visitor&& visitor) {
  visit_linear(weights.linear, module, out_features, in_features, visitor);
}

template <typename Visitor>
void visit(FluxDoubleBlock& weights, const FluxConfig& config, Visitor&& visitor) {
  const std::int64_t width = config.width();
  FluxStreamWeights& img = weights.img;
  visit_linear(img.qkv.q, "attn.to_q", width, width, visitor);
  visit_linear(img.qkv.k, "attn.to_k", width, width, visitor);
  visit_linear(img.qkv.v, "attn.to_v", width, width, visitor);
  visitor(img.norm_q, "attn.norm_q", "weight", Shape{config.head_dim});
  visitor(img.norm_k, "attn.norm_k", "weight", Shape{config.head_dim});
  visit_linear(img.out, "attn.to_out.0", width, width, visitor);
  visit_linear(img.mlp_in, "ff.net.0.proj", config.mlp_width(), width, visitor);
  visit_linear(img.mlp_out, "ff.net.2", width, config.mlp_width(), visitor);

  FluxStreamWeights& txt = weights.txt;
  visit_linear(txt.qkv.q, "attn.add_q_proj", width, width, visitor);
  visit_linear(txt.qkv.k, "attn.add_k_proj", width, width, visitor);
  visit_linear(txt.qkv.v, "attn.add_v_proj", width, width, visitor);
  visitor(txt.norm_q, "attn.norm_added_q", "weight", Shape{config.head_dim});
  visitor(txt.norm_k, "attn.norm_added_k", "weight", Shape{config.head_dim});
  visit_linear(txt.out, "attn.to_add_out", width, width, visitor);
  visit_linear(txt.mlp_in, "ff_context.net.0.proj", config.mlp_width(), width, visitor);
  visit_linear(txt.mlp_out, "ff_context.net.2", width, config.mlp_width(), visitor);
}

template <typename Visitor>
void visit(FluxSingleBlock& weights, const FluxConfig& config, Visitor&& visitor) {
  const std::int64_t width = config.width();
  visit_linear(weights.qkv.q, "attn.to_q", width, width, visitor);
  visit_linear(weights.qkv.k, "attn.to_k", width, width, visitor);
  visit_linear(weights.qkv.v, "attn.to_v", width, width, visitor);
  visitor(weights.norm_q, "attn.norm_q", "weight", Shape{config.head_dim});
  visitor(weights.norm_k, "attn.norm_k", "weight", Shape{config.head_dim});
  visit_linear(weights.mlp_in, "proj_mlp", config.mlp_width(), width, visitor);
  visit_linear(weights.out, "proj_out", width, width + config.mlp_width(), visitor);
}

}  // namespace steadyflux
