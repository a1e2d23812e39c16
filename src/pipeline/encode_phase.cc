// Prompts to embeddings: CLIP's pooled vector and T5's tokens, the prompts of a window under one lease of each layer.
#include <algorithm>

#include "pipeline/phases.h"

namespace steadyflux {
namespace {

// While measuring there are no tokens yet; the longest prompt needs the most.
std::vector<std::int32_t> longest_prompt(const OpenModel& model, const Job& job) {
  return std::vector<std::int32_t>(
      static_cast<std::size_t>(std::max<std::int64_t>(model.clip->max_positions, job.max_sequence_length)), 0);
}

std::int64_t num_windows(std::int64_t items, std::int64_t window) { return (items + window - 1) / window; }

// Runs `encode(executor, weights, first, outputs)` window by window and keeps each conditioning's row.
template <typename Encode>
bool run_encoder(const PhaseContext& c, const WeightPart& weights, const Shape& row, CarriedRows& rows,
                 const Encode& encode) {
  const std::int64_t items = num_items(Phase::kEncode, c.job);
  const Stage stage = {.phase = phase_name(Phase::kEncode),
                       .weights = &weights,
                       .passes = num_windows(items, c.choice.window),
                       .equal_passes = static_cast<double>(items) / static_cast<double>(c.choice.window),
                       .kept_bytes = carried_bytes(Phase::kEncode, c.model, c.job)};
  return c.runner.run(stage, [&](const Executor& executor, WeightSource& source, std::int64_t pass) {
    const ArenaScope scope(executor.arena());
    const std::int64_t first = pass * c.choice.window;
    std::vector<Tensor> outputs;
    for (std::int64_t i = 0; i < std::min(c.choice.window, items - first); ++i) {
      outputs.push_back(executor.allocate(c.job.activations, row));
    }
    encode(executor, source, static_cast<std::size_t>(first), outputs);
    if (c.runner.measuring()) return;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      rows.keep(executor.backend(), outputs[i], c.job.to_encode[static_cast<std::size_t>(first) + i]);
    }
  });
}

}  // namespace

bool run_encode(const PhaseContext& c) {
  const std::vector<std::int32_t> longest =
      c.runner.measuring() ? longest_prompt(c.model, c.job) : std::vector<std::int32_t>();
  const auto tokens_of = [&](const std::vector<std::int32_t> PromptTokens::*ids, std::size_t index,
                             std::int64_t measured) -> std::span<const std::int32_t> {
    if (c.runner.measuring()) return std::span(longest).first(static_cast<std::size_t>(measured));
    return c.tokens[index].*ids;
  };
  const Shape pooled_row = {1, c.model.flux.pooled_projection_dim};
  const Shape embeds_row = {c.job.max_sequence_length, c.model.flux.joint_attention_dim};
  if (!c.runner.measuring()) allocate_embeds(c.model, c.job, c.carried);
  return run_encoder(
             c, c.model.clip_part, pooled_row, c.carried.pooled,
             [&](const Executor& executor, WeightSource& weights, std::size_t first, std::span<const Tensor> outputs) {
               std::vector<ClipPrompt> prompts;
               for (std::size_t i = 0; i < outputs.size(); ++i) {
                 prompts.push_back(
                     {tokens_of(&PromptTokens::clip, first + i, c.model.clip->max_positions), outputs[i]});
               }
               encode_clip(executor, weights, *c.model.clip, c.job.activations, prompts);
             }) &&
         run_encoder(
             c, c.model.t5_part, embeds_row, c.carried.prompt_embeds,
             [&](const Executor& executor, WeightSource& weights, std::size_t first, std::span<const Tensor> outputs) {
               std::vector<T5Prompt> prompts;
               for (std::size_t i = 0; i < outputs.size(); ++i) {
                 prompts.push_back({tokens_of(&PromptTokens::t5, first + i, c.job.max_sequence_length), outputs[i]});
               }
               encode_t5(executor, weights, *c.model.t5, c.job.activations, prompts);
             });
}

}  // namespace steadyflux
