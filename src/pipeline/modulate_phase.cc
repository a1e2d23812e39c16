// The modulation of every block for every step, and the prompt as the blocks take it: once a conditioning.
#include <algorithm>

#include "pipeline/host_values.h"
#include "pipeline/phases.h"
#include "sampling/timestep.h"

namespace steadyflux {
namespace {

std::vector<float> sinusoids(std::span<const float> taus) {
  std::vector<float> rows(taus.size() * sampling::kTimestepEmbeddingSize);
  for (std::size_t i = 0; i < taus.size(); ++i) {
    sampling::timestep_embedding(
        taus[i], std::span<float, sampling::kTimestepEmbeddingSize>(rows.data() + i * sampling::kTimestepEmbeddingSize,
                                                                    sampling::kTimestepEmbeddingSize));
  }
  return rows;
}

std::vector<float> timestep_sinusoids(const Job& job) {
  std::vector<float> taus;
  for (const float timestep : job.schedule.timesteps) {
    taus.push_back(sampling::timestep_tau(timestep, job.model_dtype));
  }
  return sinusoids(taus);
}

std::vector<float> guidance_sinusoids(const Job& job) {
  const float tau = sampling::guidance_tau(job.guidance, job.model_dtype);
  return sinusoids({&tau, 1});
}

// One window's inputs and outputs, in the arena.
struct ModulateWindow {
  Tensor timesteps;  // [steps, kSinusoidWidth] f32
  Tensor guidance;   // [1, kSinusoidWidth] f32, or empty
  std::vector<FluxConditioning> conditionings;
  Tensor modulations;  // [conditionings * steps, modulation_width]
};

ModulateWindow allocate_window(const Executor& executor, const OpenModel& model, const Job& job, std::int64_t size) {
  ModulateWindow window;
  window.timesteps = executor.allocate(DType::kF32, {job.num_steps(), kSinusoidWidth});
  if (model.flux.guidance_embeds) window.guidance = executor.allocate(DType::kF32, {1, kSinusoidWidth});
  for (std::int64_t i = 0; i < size; ++i) {
    FluxConditioning& conditioning = window.conditionings.emplace_back();
    conditioning.prompt_embeds =
        executor.allocate(job.activations, {job.max_sequence_length, model.flux.joint_attention_dim});
    conditioning.pooled = executor.allocate(job.activations, {1, model.flux.pooled_projection_dim});
    conditioning.guidance = window.guidance;
    conditioning.txt = executor.allocate(job.activations, {job.max_sequence_length, model.flux.width()});
  }
  window.modulations = executor.allocate(job.activations, {size * job.num_steps(), modulation_width(model.flux)});
  return window;
}

void load_window(const PhaseContext& c, std::int64_t first, const ModulateWindow& window) {
  Backend& backend = c.runner.backend();
  upload_values(backend, timestep_sinusoids(c.job), window.timesteps);
  if (window.guidance) upload_values(backend, guidance_sinusoids(c.job), window.guidance);
  for (std::size_t i = 0; i < window.conditionings.size(); ++i) {
    const std::size_t conditioning = c.job.to_modulate[static_cast<std::size_t>(first) + i];
    c.carried.prompt_embeds.give(backend, conditioning, window.conditionings[i].prompt_embeds);
    c.carried.pooled.give(backend, conditioning, window.conditionings[i].pooled);
  }
}

void keep_window(const PhaseContext& c, std::int64_t first, const ModulateWindow& window) {
  Backend& backend = c.runner.backend();
  for (std::size_t i = 0; i < window.conditionings.size(); ++i) {
    const std::size_t conditioning = c.job.to_modulate[static_cast<std::size_t>(first) + i];
    const std::int64_t row = modulation_row(static_cast<std::int64_t>(i), 0, c.job.num_steps());
    c.carried.txt.keep(backend, window.conditionings[i].txt, conditioning);
    c.carried.modulations.keep(backend, window.modulations.rows(row, c.job.num_steps()), conditioning);
  }
}

}  // namespace

bool run_modulate(const PhaseContext& c) {
  const std::int64_t items = num_items(Phase::kModulate, c.job);
  const FluxConfig& flux = c.model.flux;
  if (!c.runner.measuring()) allocate_modulated(c.model, c.job, c.carried);
  const Stage stage = {.phase = phase_name(Phase::kModulate),
                       .weights = &c.model.modulate_part,
                       .passes = (items + c.choice.window - 1) / c.choice.window,
                       .equal_passes = static_cast<double>(items) / static_cast<double>(c.choice.window),
                       .kept_bytes = carried_bytes(Phase::kModulate, c.model, c.job)};
  return c.runner.run(stage, [&](const Executor& executor, WeightSource& weights, std::int64_t pass) {
    const ArenaScope scope(executor.arena());
    const std::int64_t first = pass * c.choice.window;
    const std::int64_t size = std::min(c.choice.window, items - first);
    const ModulateWindow window = allocate_window(executor, c.model, c.job, size);
    if (!c.runner.measuring()) load_window(c, first, window);
    modulate(executor, weights, flux, c.job.activations, window.timesteps, window.conditionings, window.modulations);
    if (!c.runner.measuring()) keep_window(c, first, window);
  });
}

}  // namespace steadyflux
