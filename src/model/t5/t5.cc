#include "model/t5/t5.h"

#include <array>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/t5/relative_bias.h"
#include "model/t5/weights.h"
#include "nn/token_ids.h"

namespace steadyflux {

void check(const T5Config& config) {
  if (config.num_buckets < 4) {
    fail(ErrorCode::kInvalidFile, "relative_attention_num_buckets ", config.num_buckets,
         " is too few for near and far, ahead and back");
  }
  if (config.max_distance <= config.num_buckets / 4) {
    fail(ErrorCode::kInvalidFile, "relative_attention_max_distance ", config.max_distance,
         " is within the distances that have a bucket each");
  }
}

std::vector<GroupSpec> t5_groups(const T5Config& config) {
  std::vector<GroupSpec> groups;
  groups.push_back(list_weights<T5Embeddings>("embeddings", "", config));
  for (std::int64_t i = 0; i < config.num_layers; ++i) {
    const std::string name = "encoder.block." + std::to_string(i);
    groups.push_back(list_weights<T5Layer>(name, name + ".", config));
  }
  groups.push_back(list_weights<T5FinalNorm>("final_layer_norm", "", config));
  return groups;
}

namespace {

void rms_norm(const Executor& executor, const T5Config& config, const Tensor& x, const Tensor& weight,
              const Tensor& out) {
  executor.run(ops::RmsNorm{.x = x, .weight = weight, .eps = config.eps, .out = out});
}

// stream += o(attention(q, k, v)); scores are not scaled, they gain the relative bias.
void self_attention(const Executor& executor, const T5Config& config, const T5Layer& weights, DType activations,
                    const Tensor& relative_bias, const Tensor& stream) {
  const ArenaScope scope(executor.arena());
  const std::int64_t tokens = stream.dim(0);
  const Qkv qkv = split_qkv(executor.allocate(activations, {tokens, 3 * config.inner_width()}));
  {
    const ArenaScope norm_scope(executor.arena());
    const Tensor y = executor.allocate(activations, stream.shape);
    rms_norm(executor, config, stream, weights.attention_norm, y);
    project_qkv(executor, y, weights.qkv, qkv);
  }
  const Tensor attended = executor.allocate(activations, {tokens, config.inner_width()});
  attention(executor, qkv, config.num_heads, {.relative_bias = relative_bias}, attended);
  linear_into_stream(executor, attended, weights.attention_out, stream);
}

// stream += wo(gelu(wi_0 y) * (wi_1 y)).
void gated_mlp(const Executor& executor, const T5Config& config, const T5Layer& weights, DType activations,
               const Tensor& stream) {
  const ArenaScope scope(executor.arena());
  const Shape hidden{stream.dim(0), config.d_ff};
  const Tensor y = executor.allocate(activations, stream.shape);
  const Tensor gate = executor.allocate(activations, hidden);
  const Tensor up = executor.allocate(activations, hidden);
  rms_norm(executor, config, stream, weights.mlp_norm, y);
  const std::array<ops::LinearPart, 2> parts = {ops::LinearPart{.linear = weights.gate, .out = gate},
                                                ops::LinearPart{.linear = weights.up, .out = up}};
  executor.run(ops::LinearMany{y, parts});
  executor.run(ops::Glu{.gate = gate, .up = up, .activation = ops::Activation::kGeluTanh, .out = gate});
  linear_into_stream(executor, gate, weights.mlp_out, stream);
}

}  // namespace

void encode_t5(const Executor& executor, WeightSource& weights, const T5Config& config, DType activations,
               std::span<const T5Prompt> prompts) {
  ensure(!prompts.empty(), "there is no prompt to encode");
  const auto tokens = static_cast<std::int64_t>(prompts[0].token_ids.size());
  if (tokens == 0) fail(ErrorCode::kInvalidArgument, "a T5 prompt has at least one token");
  const ArenaScope scope(executor.arena());
  std::vector<Tensor> streams;
  Tensor relative_bias;
  std::size_t group = 0;
  {
    const Lease lease = weights.acquire(group++);
    const auto table = bind_weights<T5Embeddings>(lease, config);
    for (const T5Prompt& prompt : prompts) {
      ensure(std::ssize(prompt.token_ids) == tokens, "prompts of different lengths");
      streams.push_back(executor.allocate(DType::kF32, {tokens, config.d_model}));
      const ArenaScope ids_scope(executor.arena());
      const Tensor ids = upload_token_ids(executor, prompt.token_ids, config.vocab_size);
      executor.run(ops::EmbedRows{.table = table.tokens, .ids = ids, .out = streams.back()});
    }
    relative_bias = expand_relative_bias(executor, config, table.relative_bias, tokens);
  }
  for (std::int64_t i = 0; i < config.num_layers; ++i) {
    const Lease lease = weights.acquire(group++);
    const auto layer = bind_weights<T5Layer>(lease, config);
    for (const Tensor& stream : streams) {
      self_attention(executor, config, layer, activations, relative_bias, stream);
      gated_mlp(executor, config, layer, activations, stream);
    }
  }
  const Lease lease = weights.acquire(group++);
  const auto final_norm = bind_weights<T5FinalNorm>(lease, config);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    rms_norm(executor, config, streams[i], final_norm.norm, prompts[i].embeddings);
  }
}

}  // namespace steadyflux
