#include <string>

#include "base/error.h"
#include "model/flux/blocks.h"
#include "model/flux/modulation_layers.h"

namespace steadyflux {

std::vector<GroupSpec> flux_denoise_groups(const FluxConfig& config) {
  std::vector<GroupSpec> groups;
  groups.push_back(list_weights<FluxLinear>("x_embedder", "", "x_embedder", config.width(), config.in_channels));
  for (std::int64_t i = 0; i < config.num_double_blocks; ++i) {
    const std::string name = "transformer_blocks." + std::to_string(i);
    groups.push_back(list_weights<FluxDoubleBlock>(name, name + ".", config));
  }
  for (std::int64_t i = 0; i < config.num_single_blocks; ++i) {
    const std::string name = "single_transformer_blocks." + std::to_string(i);
    groups.push_back(list_weights<FluxSingleBlock>(name, name + ".", config));
  }
  groups.push_back(list_weights<FluxLinear>("proj_out", "", "proj_out", config.out_channels, config.width()));
  return groups;
}

namespace {

FluxStreamModulation stream_modulation(const FluxPass& pass, std::int64_t column, std::int64_t width) {
  return {.attention = modulation_at(pass.modulations, column, width),
          .mlp = modulation_at(pass.modulations, column + 3 * width, width)};
}

void check_pass(const FluxConfig& config, const FluxPass& pass) {
  const std::int64_t tokens = pass.txt.dim(0) + pass.latents.dim(0);
  ensure(pass.pe.shape == Shape{tokens, config.head_dim}, "a position table of ", pass.pe.shape.to_string(), " for ",
         tokens, " tokens");
  ensure(pass.modulations.shape == Shape{1, modulation_width(config)}, "a modulation row of ",
         pass.modulations.shape.to_string());
}

// The stream begins as the embedded prompt followed by the embedded latents.
void begin_stream(const Executor& executor, const FluxLinear& x_embedder, DType activations, const FluxPass& pass) {
  const ArenaScope scope(executor.arena());
  const FluxStreams stream = flux_streams(pass);
  executor.run(ops::Add{.a = pass.txt, .out = stream.txt});
  linear(executor, as_dtype(executor, pass.latents, activations), x_embedder.linear, stream.img);
}

// The velocity is read off the image stream alone. Here the scale comes before the shift, unlike in the blocks.
void end_stream(const Executor& executor, const FluxConfig& config, const FluxLinear& proj_out, DType activations,
                const FluxPass& pass) {
  const ArenaScope scope(executor.arena());
  const Tensor img = flux_streams(pass).img;
  const std::int64_t column = final_modulation_column(config);
  const Modulation modulation = {.shift = vector_at(pass.modulations, column + config.width(), config.width()),
                                 .scale = vector_at(pass.modulations, column, config.width()),
                                 .gate = {}};
  const Tensor y = executor.allocate(activations, img.shape);
  adaptive_norm(executor, img, modulation, y);
  linear(executor, y, proj_out.linear, pass.velocity);
}

}  // namespace

void predict_velocity(const Executor& executor, WeightSource& weights, const FluxConfig& config, DType activations,
                      std::span<FluxPass> passes) {
  const std::int64_t width = config.width();
  // What leads into the stream and out of it is a thousandth of the work, and all of the picture passes through it.
  const Executor in_float = executor.with_compute(ops::Compute::kFloat);
  const ArenaScope scope(executor.arena());
  for (FluxPass& pass : passes) {
    check_pass(config, pass);
    pass.stream = executor.allocate(DType::kF32, {pass.pe.dim(0), width});
  }
  std::size_t group = 0;
  {
    const Lease lease = weights.acquire(group++);
    const auto x_embedder = bind_weights<FluxLinear>(lease, "x_embedder", width, config.in_channels);
    for (const FluxPass& pass : passes) begin_stream(in_float, x_embedder, activations, pass);
  }
  for (std::int64_t i = 0; i < config.num_double_blocks; ++i) {
    const Lease lease = weights.acquire(group++);
    const auto block = bind_weights<FluxDoubleBlock>(lease, config);
    for (const FluxPass& pass : passes) {
      double_block(executor, config, block, stream_modulation(pass, img_modulation_column(config, i), width),
                   stream_modulation(pass, txt_modulation_column(config, i), width), activations, pass);
    }
  }
  for (std::int64_t i = 0; i < config.num_single_blocks; ++i) {
    const Lease lease = weights.acquire(group++);
    const auto block = bind_weights<FluxSingleBlock>(lease, config);
    const bool img_only = i + 1 == config.num_single_blocks;
    for (const FluxPass& pass : passes) {
      single_block(executor, config, block, modulation_at(pass.modulations, single_modulation_column(config, i), width),
                   activations, img_only, pass);
    }
  }
  const Lease lease = weights.acquire(group++);
  const auto proj_out = bind_weights<FluxLinear>(lease, "proj_out", config.out_channels, width);
  for (const FluxPass& pass : passes) end_stream(in_float, config, proj_out, activations, pass);
}

}  // namespace steadyflux
