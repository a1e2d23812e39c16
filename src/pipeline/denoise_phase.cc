// Noise to latents, window by window: every step of a window's images shares one pass over the transformer.
#include <algorithm>

#include "base/bf16.h"
#include "pipeline/host_values.h"
#include "pipeline/phases.h"
#include "sampling/euler.h"
#include "sampling/noise.h"
#include "sampling/packing.h"

namespace steadyflux {
namespace {

// Images that are denoised together, and the conditionings that they need.
struct Window {
  std::size_t first_image = 0;
  std::size_t num_images = 0;
  std::vector<std::size_t> conditionings;  // ascending; the negative prompt's last
};

std::vector<Window> split_into_windows(const Job& job, std::size_t size) {
  std::vector<Window> windows;
  for (std::size_t first = 0; first < job.images.size(); first += size) {
    Window& window = windows.emplace_back();
    window.first_image = first;
    window.num_images = std::min(size, job.images.size() - first);
    for (std::size_t i = first; i < first + window.num_images; ++i) {
      const std::size_t conditioning = job.images[i].conditioning;
      if (window.conditionings.empty() || window.conditionings.back() != conditioning) {
        window.conditionings.push_back(conditioning);
      }
    }
    if (job.has_negative) window.conditionings.push_back(job.negative());
  }
  return windows;
}

// Memory that serves every window in turn.
struct WindowMemory {
  Tensor pe;                        // [txt + img tokens, head_dim] f32
  std::vector<Tensor> latents;      // [tokens, channels] f32 an image
  std::vector<Tensor> txt;          // [tokens, width] a conditioning
  std::vector<Tensor> modulations;  // [steps, modulation_width] a conditioning
};

WindowMemory allocate_window(Arena& arena, const OpenModel& model, const Job& job, std::span<const Window> windows) {
  std::size_t most_conditionings = 0;
  for (const Window& window : windows) most_conditionings = std::max(most_conditionings, window.conditionings.size());
  WindowMemory memory;
  memory.pe = arena.allocate(DType::kF32, {job.max_sequence_length + job.latent.num_tokens(), model.flux.head_dim});
  for (std::size_t i = 0; i < windows[0].num_images; ++i) {
    memory.latents.push_back(arena.allocate(DType::kF32, {job.latent.num_tokens(), model.flux.in_channels}));
  }
  for (std::size_t i = 0; i < most_conditionings; ++i) {
    memory.txt.push_back(arena.allocate(job.activations, {job.max_sequence_length, model.flux.width()}));
    memory.modulations.push_back(arena.allocate(job.activations, {job.num_steps(), modulation_width(model.flux)}));
  }
  return memory;
}

std::vector<float> initial_noise(const Job& job, std::int64_t channels, std::uint64_t seed) {
  const auto count = static_cast<std::size_t>(channels * job.latent.height * job.latent.width);
  std::vector<float> noise(count);
  if (job.noise == DType::kF32) {
    sampling::torch_randn(seed, noise);
  } else {
    std::vector<BFloat16> rounded(count);
    sampling::torch_randn_bf16(seed, rounded);
    std::transform(rounded.begin(), rounded.end(), noise.begin(), [](BFloat16 v) { return float_from_bf16(v); });
  }
  std::vector<float> packed(count);
  sampling::pack_latent<float>(job.latent, channels, noise, packed);
  return packed;
}

// Host memory that drawing the noise of one image takes for a moment: the noise, and its packed form or bf16 form.
std::size_t noise_bytes(const OpenModel& model, const Job& job) {
  return 2 * tensor_bytes(DType::kF32, {job.latent.num_tokens(), model.flux.in_channels});
}

void load_latents(const PhaseContext& c, std::size_t image, const Tensor& latents) {
  Backend& backend = c.runner.backend();
  if (c.job.latents_given) {
    c.carried.given_latents.give(backend, image, latents);
  } else {
    upload_values(backend, initial_noise(c.job, latents.dim(1) / 4, c.job.images[image].seed), latents);
  }
}

void load_window(const PhaseContext& c, const Window& window, const WindowMemory& memory) {
  Backend& backend = c.runner.backend();
  for (std::size_t i = 0; i < window.num_images; ++i) load_latents(c, window.first_image + i, memory.latents[i]);
  for (std::size_t i = 0; i < window.conditionings.size(); ++i) {
    c.carried.txt.give(backend, window.conditionings[i], memory.txt[i]);
    c.carried.modulations.give(backend, window.conditionings[i], memory.modulations[i]);
  }
}

void keep_window(const PhaseContext& c, const Window& window, const WindowMemory& memory) {
  for (std::size_t i = 0; i < window.num_images; ++i) {
    c.carried.latents.keep(c.runner.backend(), memory.latents[i], window.first_image + i);
  }
}

// The forward passes of one step: an image's positive pass, then its negative pass where there is true CFG.
void begin_step(const Executor& executor, const PhaseContext& c, const Window& window, const WindowMemory& memory,
                std::int64_t step, std::vector<FluxPass>& passes) {
  passes.clear();
  const auto add = [&](std::size_t image, std::size_t conditioning) {
    const auto found = std::find(window.conditionings.begin(), window.conditionings.end(), conditioning);
    const auto slot = static_cast<std::size_t>(found - window.conditionings.begin());
    FluxPass& pass = passes.emplace_back();
    pass.latents = memory.latents[image];
    pass.txt = memory.txt[slot];
    pass.pe = memory.pe;
    pass.modulations = memory.modulations[slot].rows(step, 1);
    pass.velocity = executor.allocate(DType::kF32, {c.job.latent.num_tokens(), c.model.flux.out_channels});
  };
  for (std::size_t i = 0; i < window.num_images; ++i) {
    add(i, c.job.images[window.first_image + i].conditioning);
    if (c.job.has_negative) add(i, c.job.negative());
  }
}

void advance_latents(const Executor& executor, const Job& job, float dt, std::span<const FluxPass> passes) {
  const std::size_t passes_per_image = job.has_negative ? 2 : 1;
  for (std::size_t i = 0; i < passes.size(); i += passes_per_image) {
    const Tensor& velocity = passes[i].velocity;
    if (job.has_negative) {
      executor.run(ops::TrueCfg{velocity, passes[i + 1].velocity, static_cast<float>(job.true_cfg), velocity});
    }
    executor.run(ops::EulerStep{passes[i].latents, velocity, dt, false});
  }
}

}  // namespace

bool run_denoise(const PhaseContext& c) {
  const Job& job = c.job;
  const std::vector<Window> windows = split_into_windows(job, static_cast<std::size_t>(c.choice.window));
  const std::size_t row_bytes = tensor_bytes(DType::kF32, {job.latent.num_tokens(), c.model.flux.in_channels});
  WindowMemory memory;
  const auto holding = c.runner.hold([&](Arena& arena) { memory = allocate_window(arena, c.model, job, windows); });
  if (!c.runner.measuring()) {
    c.carried.latents = c.carried.make(job.images.size(), row_bytes);
    upload_values(
        c.runner.backend(),
        rope_table(c.model.flux, job.max_sequence_length, job.latent.token_rows(), job.latent.token_columns()),
        memory.pe);
  }
  // Latents are f32 whatever the activations are, so the step size is not rounded either.
  const std::vector<float> dt = sampling::step_sizes(job.schedule, DType::kF32);
  const auto num_passes = static_cast<std::int64_t>(windows.size()) * job.num_steps();
  std::vector<FluxPass> passes;
  passes.reserve(2 * windows[0].num_images);
  const Stage stage = {.phase = phase_name(Phase::kDenoise),
                       .weights = &c.model.denoise_part,
                       .passes = num_passes,
                       .equal_passes = static_cast<double>(job.num_images() * job.num_steps()) /
                                       static_cast<double>(windows[0].num_images),
                       .kept_bytes = carried_bytes(Phase::kDenoise, c.model, job) + noise_bytes(c.model, job)};
  return c.runner.run(stage, [&](const Executor& executor, WeightSource& weights, std::int64_t pass) {
    const Window& window = windows[static_cast<std::size_t>(pass / job.num_steps())];
    const std::int64_t step = pass % job.num_steps();
    if (step == 0 && !c.runner.measuring()) load_window(c, window, memory);
    {
      const ArenaScope scope(executor.arena());
      begin_step(executor, c, window, memory, step, passes);
      predict_velocity(executor.with_compute(job.compute), weights, c.model.flux, job.activations, passes);
      advance_latents(executor, job, dt[static_cast<std::size_t>(step)], passes);
    }
    if (c.runner.measuring()) return;
    // A step is told when it is done, not when it was given to the device.
    executor.backend().wait(executor.backend().record(Stream::kCompute));
    if (step + 1 == job.num_steps()) keep_window(c, window, memory);
    c.outputs.on_step(pass, num_passes);
  });
}

}  // namespace steadyflux
