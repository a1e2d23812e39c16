// The CLIP text encoder, as far as FLUX needs it: the pooled vector of a prompt.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "backend/executor.h"
#include "memory/lease.h"

namespace steadyflux {

// Defaults are those of FLUX.1 (CLIP ViT-L/14).
struct ClipConfig {
  std::int64_t vocab_size = 49408;
  std::int64_t max_positions = 77;
  std::int64_t width = 768;
  std::int64_t mlp_width = 3072;
  std::int64_t num_layers = 12;
  std::int64_t num_heads = 12;
  ops::Activation activation = ops::Activation::kQuickGelu;  // of the MLP
  float layer_norm_eps = 1e-5f;
  std::int32_t eos_token_id = 2;  // 2: a legacy configuration, see clip_pooled_position
};

// Throws Error(kInvalidFile) naming what does not fit together.
void check(const ClipConfig& config);

// Groups of encode_clip(): embeddings, each layer, final norm.
std::vector<GroupSpec> clip_groups(const ClipConfig& config);

// Index of the token whose hidden state is the pooled vector: the first end token. A configured id of 2 is older than
// the vocabulary's real end token, which then is the largest id of the prompt. Without an end token it is 0.
std::size_t clip_pooled_position(const ClipConfig& config, std::span<const std::int32_t> token_ids);

// One prompt: its token ids and where its pooled vector goes.
struct ClipPrompt {
  std::span<const std::int32_t> token_ids;
  Tensor pooled;  // out: [1, width]
};

// Every prompt's pooled vector: the hidden state of its last token after the final norm. Attention is causal, so a
// prompt needs only token_ids.first(clip_pooled_position(config, token_ids) + 1). All prompts are served under one
// lease of each group, and each is computed by itself. Throws Error(kInvalidArgument) for no token, more than
// max_positions or an id outside the vocabulary. `activations` (f32 or bf16) is the dtype between operations.
void encode_clip(const Executor& executor, WeightSource& weights, const ClipConfig& config, DType activations,
                 std::span<const ClipPrompt> prompts);

}  // namespace steadyflux
