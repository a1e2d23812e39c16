#include <string>

#include "base/error.h"
#include "model/flux/modulation_layers.h"
#include "model/flux/weights.h"

namespace steadyflux {

std::vector<FluxModulationLayer> flux_modulation_layers(const FluxConfig& config) {
  const std::int64_t width = config.width();
  std::vector<FluxModulationLayer> layers;
  for (std::int64_t i = 0; i < config.num_double_blocks; ++i) {
    const std::string block = "transformer_blocks." + std::to_string(i);
    layers.push_back({block + ".norm1", img_modulation_column(config, i), 6 * width});
    layers.push_back({block + ".norm1_context", txt_modulation_column(config, i), 6 * width});
  }
  for (std::int64_t i = 0; i < config.num_single_blocks; ++i) {
    const std::string block = "single_transformer_blocks." + std::to_string(i);
    layers.push_back({block + ".norm", single_modulation_column(config, i), 3 * width});
  }
  layers.push_back({"norm_out.scale", final_modulation_column(config), width});
  layers.push_back({"norm_out.shift", final_modulation_column(config) + width, width});
  return layers;
}

std::int64_t modulation_width(const FluxConfig& config) { return final_modulation_column(config) + 2 * config.width(); }

std::vector<GroupSpec> flux_modulate_groups(const FluxConfig& config) {
  const std::int64_t width = config.width();
  std::vector<GroupSpec> groups;
  groups.push_back(list_weights<FluxConditionWeights>("time_text_embed", "time_text_embed.", config));
  groups.push_back(
      list_weights<FluxLinear>("context_embedder", "", "context_embedder", width, config.joint_attention_dim));
  for (const FluxModulationLayer& layer : flux_modulation_layers(config)) {
    groups.push_back(list_weights<FluxLinear>(layer.name, layer.name + ".", "linear", layer.width, width));
  }
  return groups;
}

namespace {

// linear_2(silu(linear_1(x))): [rows, width] in the arena.
Tensor embed(const Executor& executor, const Tensor& x, const FluxEmbedder& weights, DType activations) {
  const Shape shape{x.dim(0), weights.out.weight.dim(0)};
  const Tensor embedding = executor.allocate(activations, shape);
  const ArenaScope scope(executor.arena());
  const Tensor hidden = executor.allocate(activations, shape);
  linear(executor, as_dtype(executor, x, activations), weights.in, hidden, ops::Activation::kSilu);
  linear(executor, hidden, weights.out, embedding);
  return embedding;
}

// vec = silu(T(timestep) + G(guidance) + P(pooled)) for every step of every conditioning: what all modulation layers
// take. The silu belongs to those layers; it is the same in each.
void embed_conditions(const Executor& executor, const FluxConditionWeights& weights, const Tensor& timesteps,
                      std::span<const FluxConditioning> conditionings, const Tensor& vec) {
  const ArenaScope scope(executor.arena());
  const std::int64_t num_steps = timesteps.dim(0);
  const Tensor time = embed(executor, timesteps, weights.timestep, vec.dtype);
  for (std::size_t c = 0; c < conditionings.size(); ++c) {
    const ArenaScope conditioning_scope(executor.arena());
    const Tensor rows = vec.rows(modulation_row(static_cast<std::int64_t>(c), 0, num_steps), num_steps);
    Tensor sum = time;
    if (!conditionings[c].guidance.empty()) {
      const Tensor guidance = embed(executor, conditionings[c].guidance, weights.guidance, vec.dtype);
      executor.run(ops::Add{.a = time, .b = guidance, .out = rows});
      sum = rows;
    }
    const Tensor pooled = embed(executor, conditionings[c].pooled, weights.pooled, vec.dtype);
    executor.run(ops::Add{.a = sum, .b = pooled, .activation = ops::Activation::kSilu, .out = rows});
  }
}

}  // namespace

void modulate(const Executor& executor, WeightSource& weights, const FluxConfig& config, DType activations,
              const Tensor& timesteps, std::span<const FluxConditioning> conditionings, const Tensor& modulations) {
  const std::int64_t width = config.width();
  ensure(modulations.dim(0) == static_cast<std::int64_t>(conditionings.size()) * timesteps.dim(0) &&
             modulations.dim(1) == modulation_width(config),
         "a modulation table of ", modulations.shape.to_string());
  for (const FluxConditioning& conditioning : conditionings) {
    ensure(conditioning.guidance.empty() != config.guidance_embeds, "guidance is an input exactly when it is embedded");
  }

  const ArenaScope scope(executor.arena());
  const Tensor vec = executor.allocate(activations, {modulations.dim(0), width});
  std::size_t group = 0;
  {
    const Lease lease = weights.acquire(group++);
    embed_conditions(executor, bind_weights<FluxConditionWeights>(lease, config), timesteps, conditionings, vec);
  }
  {
    const Lease lease = weights.acquire(group++);
    const auto context_embedder =
        bind_weights<FluxLinear>(lease, "context_embedder", width, config.joint_attention_dim);
    for (const FluxConditioning& conditioning : conditionings) {
      const ArenaScope conditioning_scope(executor.arena());
      linear(executor, as_dtype(executor, conditioning.prompt_embeds, activations), context_embedder.linear,
             conditioning.txt);
    }
  }
  for (const FluxModulationLayer& layer : flux_modulation_layers(config)) {
    const Lease lease = weights.acquire(group++);
    const auto bound = bind_weights<FluxLinear>(lease, "linear", layer.width, width);
    linear(executor, vec, bound.linear, modulations.cols(layer.column, layer.width));
  }
}

}  // namespace steadyflux
