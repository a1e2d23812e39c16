// The T5 v1.1 encoder: the token embeddings of a prompt.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/executor.h"
#include "memory/lease.h"

namespace steadyflux {

// Defaults are those of FLUX.1 (T5 v1.1 XXL). The feed-forward layers are gated by the tanh form of GELU.
struct T5Config {
  std::int64_t vocab_size = 32128;
  std::int64_t d_model = 4096;
  std::int64_t d_kv = 64;  // of one head
  std::int64_t d_ff = 10240;
  std::int64_t num_layers = 24;
  std::int64_t num_heads = 64;
  std::int64_t num_buckets = 32;    // of relative positions
  std::int64_t max_distance = 128;  // from which on all distances share a bucket
  float eps = 1e-6f;

  std::int64_t inner_width() const { return num_heads * d_kv; }
};

// Throws Error(kInvalidFile) naming what does not fit together.
void check(const T5Config& config);

// Groups of encode_t5(): embeddings (with the relative position table), each layer, final norm.
std::vector<GroupSpec> t5_groups(const T5Config& config);

// The bucket that a key `relative_position` tokens after its query belongs to, in [0, num_buckets): half of the buckets
// look ahead, half back; within a half, near distances one by one and far ones by their logarithm.
std::int64_t t5_bucket(const T5Config& config, std::int64_t relative_position);

// One prompt: its token ids, padding included, and where its embeddings go.
struct T5Prompt {
  std::span<const std::int32_t> token_ids;
  Tensor embeddings;  // out: [tokens, d_model]
};

// Every prompt's embeddings: the encoder's output for its tokens, each attending to every other, as the reference gives
// no mask. All prompts have equally many tokens; they are served under one lease of each group, and each is computed by
// itself: its bits do not depend on the others. Throws Error(kInvalidArgument) for no token or an id outside the
// vocabulary. `activations` (f32 or bf16) is the dtype between operations.
void encode_t5(const Executor& executor, WeightSource& weights, const T5Config& config, DType activations,
               std::span<const T5Prompt> prompts);

}  // namespace steadyflux
