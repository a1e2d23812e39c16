#include "model/clip/clip.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"
#include "model/clip/weights.h"
#include "nn/token_ids.h"

namespace steadyflux {

void check(const ClipConfig& config) {
  if (config.width % config.num_heads != 0) {
    fail(ErrorCode::kInvalidFile, "hidden_size ", config.width, " is not a multiple of num_attention_heads ",
         config.num_heads);
  }
}

std::vector<GroupSpec> clip_groups(const ClipConfig& config) {
  const std::string root = "text_model.";
  std::vector<GroupSpec> groups;
  groups.push_back(list_weights<ClipEmbeddings>("embeddings", root, config));
  for (std::int64_t i = 0; i < config.num_layers; ++i) {
    const std::string name = "encoder.layers." + std::to_string(i);
    groups.push_back(list_weights<ClipLayer>(name, root + name + ".", config));
  }
  groups.push_back(list_weights<ClipFinalNorm>("final_layer_norm", root, config));
  return groups;
}

std::size_t clip_pooled_position(const ClipConfig& config, std::span<const std::int32_t> token_ids) {
  constexpr std::int32_t kLegacyEos = 2;
  const auto position = config.eos_token_id == kLegacyEos ? std::ranges::max_element(token_ids)
                                                          : std::ranges::find(token_ids, config.eos_token_id);
  return position == token_ids.end() ? 0 : static_cast<std::size_t>(position - token_ids.begin());
}

namespace {

void clip_layer(const Executor& executor, const ClipConfig& config, const ClipLayer& weights, DType activations,
                const Tensor& stream) {
  const std::int64_t tokens = stream.dim(0);
  const AttentionOptions causal = {
      .scale = static_cast<float>(1 / std::sqrt(static_cast<double>(config.width / config.num_heads))), .causal = true};
  const ArenaScope scope(executor.arena());
  const Tensor y = executor.allocate(activations, {tokens, config.width});
  {
    const ArenaScope attention_scope(executor.arena());
    const Qkv qkv = split_qkv(executor.allocate(activations, {tokens, 3 * config.width}));
    layer_norm(executor, stream, weights.attention_norm, config.layer_norm_eps, y);
    project_qkv(executor, y, weights.qkv, qkv);
    attention(executor, qkv, config.num_heads, causal, y);
    linear_into_stream(executor, y, weights.attention_out, stream);
  }
  const Tensor hidden = executor.allocate(activations, {tokens, config.mlp_width});
  layer_norm(executor, stream, weights.mlp_norm, config.layer_norm_eps, y);
  linear(executor, y, weights.mlp_in, hidden, config.activation);
  linear_into_stream(executor, hidden, weights.mlp_out, stream);
}

}  // namespace

void encode_clip(const Executor& executor, WeightSource& weights, const ClipConfig& config, DType activations,
                 std::span<const ClipPrompt> prompts) {
  const ArenaScope scope(executor.arena());
  std::vector<Tensor> streams;
  std::size_t group = 0;
  {
    const Lease lease = weights.acquire(group++);
    const auto embeddings = bind_weights<ClipEmbeddings>(lease, config);
    for (const ClipPrompt& prompt : prompts) {
      const auto tokens = static_cast<std::int64_t>(prompt.token_ids.size());
      if (tokens == 0 || tokens > config.max_positions) {
        fail(ErrorCode::kInvalidArgument, "a CLIP prompt has 1 to ", config.max_positions, " tokens, not ", tokens);
      }
      streams.push_back(executor.allocate(DType::kF32, {tokens, config.width}));
      const ArenaScope ids_scope(executor.arena());
      const Tensor ids = upload_token_ids(executor, prompt.token_ids, config.vocab_size);
      executor.run(ops::EmbedRows{
          .table = embeddings.tokens, .ids = ids, .positions = embeddings.positions, .out = streams.back()});
    }
  }
  for (std::int64_t i = 0; i < config.num_layers; ++i) {
    const Lease lease = weights.acquire(group++);
    const auto layer = bind_weights<ClipLayer>(lease, config);
    for (const Tensor& stream : streams) clip_layer(executor, config, layer, activations, stream);
  }
  const Lease lease = weights.acquire(group++);
  const auto final_norm = bind_weights<ClipFinalNorm>(lease, config);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    layer_norm(executor, streams[i].rows(streams[i].dim(0) - 1, 1), final_norm.norm, config.layer_norm_eps,
               prompts[i].pooled);
  }
}

}  // namespace steadyflux
