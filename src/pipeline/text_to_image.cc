#include "pipeline/text_to_image.h"

#include <algorithm>

#include "base/bf16.h"
#include "base/error.h"
#include "sampling/euler.h"
#include "sampling/noise.h"
#include "sampling/packing.h"
#include "sampling/timestep.h"

namespace steadyflux {
namespace {

// ---- host memory to tensors and back -------------------------------------------------------------------------------

void upload_f32(Backend& backend, std::span<const float> host, const Tensor& tensor) {
  if (tensor.dtype == DType::kF32) {
    backend.upload(std::as_bytes(host), tensor);
    return;
  }
  ensure(tensor.dtype == DType::kBF16, "activations are f32 or bf16");
  std::vector<BFloat16> rounded(host.size());
  std::transform(host.begin(), host.end(), rounded.begin(), [](float value) { return bf16_from_float(value); });
  backend.upload(std::as_bytes(std::span<const BFloat16>(rounded)), tensor);
}

std::vector<float> download_f32(Backend& backend, const Tensor& tensor) {
  std::vector<float> host(static_cast<std::size_t>(tensor.shape.num_elements()));
  if (tensor.dtype == DType::kF32) {
    backend.download(tensor, std::as_writable_bytes(std::span(host)));
    return host;
  }
  std::vector<BFloat16> stored(host.size());
  backend.download(tensor, std::as_writable_bytes(std::span(stored)));
  std::transform(stored.begin(), stored.end(), host.begin(), [](BFloat16 value) { return float_from_bf16(value); });
  return host;
}

// ---- what passes between phases ------------------------------------------------------------------------------------

// From encode to modulate.
struct Encoded {
  std::vector<Tensor> prompt_embeds;  // [tokens, joint_attention_dim] a conditioning
  std::vector<Tensor> pooled;         // [1, pooled_projection_dim] a conditioning
};

// From modulate to denoise.
struct Modulated {
  std::vector<Tensor> txt;  // [tokens, width] a conditioning
  Tensor timesteps;         // [steps, kSinusoidWidth] f32
  Tensor guidance;          // [1, kSinusoidWidth] f32, or empty
  Tensor modulations;       // [conditionings * steps, modulation_width]
  Tensor pe;                // [txt + img tokens, head_dim] f32
};

Encoded allocate_encoded(Arena& arena, const OpenModel& model, const Job& job) {
  Encoded encoded;
  for (std::int64_t c = 0; c < job.num_conditionings(); ++c) {
    encoded.prompt_embeds.push_back(
        arena.allocate(job.activations, {job.max_sequence_length, model.flux.joint_attention_dim}));
    encoded.pooled.push_back(arena.allocate(job.activations, {1, model.flux.pooled_projection_dim}));
  }
  return encoded;
}

Modulated allocate_modulated(Arena& arena, const OpenModel& model, const Job& job) {
  Modulated modulated;
  for (std::int64_t c = 0; c < job.num_conditionings(); ++c) {
    modulated.txt.push_back(arena.allocate(job.activations, {job.max_sequence_length, model.flux.width()}));
  }
  modulated.timesteps = arena.allocate(DType::kF32, {job.num_steps(), kSinusoidWidth});
  if (model.flux.guidance_embeds) modulated.guidance = arena.allocate(DType::kF32, {1, kSinusoidWidth});
  modulated.modulations =
      arena.allocate(job.activations, {job.num_conditionings() * job.num_steps(), modulation_width(model.flux)});
  modulated.pe = arena.allocate(DType::kF32, {job.max_sequence_length + job.latent.num_tokens(), model.flux.head_dim});
  return modulated;
}

std::vector<Tensor> allocate_latents(Arena& arena, const OpenModel& model, const Job& job) {
  std::vector<Tensor> latents;
  for (std::int64_t i = 0; i < job.num_images(); ++i) {
    latents.push_back(arena.allocate(DType::kF32, {job.latent.num_tokens(), model.flux.in_channels}));
  }
  return latents;
}

// ---- inputs made on the host ---------------------------------------------------------------------------------------

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

std::vector<float> sinusoids(std::span<const float> taus) {
  std::vector<float> rows(taus.size() * sampling::kTimestepEmbeddingSize);
  for (std::size_t i = 0; i < taus.size(); ++i) {
    sampling::timestep_embedding(
        taus[i], std::span<float, sampling::kTimestepEmbeddingSize>(rows.data() + i * sampling::kTimestepEmbeddingSize,
                                                                    sampling::kTimestepEmbeddingSize));
  }
  return rows;
}

void upload_modulation_inputs(Backend& backend, const OpenModel& model, const Job& job, const Modulated& to) {
  std::vector<float> taus;
  for (const float timestep : job.schedule.timesteps) {
    taus.push_back(sampling::timestep_tau(timestep, job.model_dtype));
  }
  upload_f32(backend, sinusoids(taus), to.timesteps);
  if (to.guidance) {
    const float tau = sampling::guidance_tau(job.guidance, job.model_dtype);
    upload_f32(backend, sinusoids({&tau, 1}), to.guidance);
  }
  const auto pe = rope_table(model.flux, job.max_sequence_length, job.latent.token_rows(), job.latent.token_columns());
  upload_f32(backend, pe, to.pe);
}

void upload_latents(Backend& backend, const Job& job, const RunInputs& inputs, std::span<const Tensor> latents) {
  for (std::size_t i = 0; i < latents.size(); ++i) {
    const auto size = static_cast<std::size_t>(latents[i].shape.num_elements());
    if (!inputs.latents.empty()) {
      upload_f32(backend, std::span(inputs.latents).subspan(i * size, size), latents[i]);
    } else {
      upload_f32(backend, initial_noise(job, latents[i].dim(1) / 4, job.images[i].seed), latents[i]);
    }
  }
}

// ---- phases --------------------------------------------------------------------------------------------------------

bool encode(PhaseRunner& runner, const OpenModel& model, const Job& job, const RunInputs& inputs,
            const Encoded& encoded) {
  if (job.from_embeds) {
    for (std::size_t c = 0; c < inputs.embeds.size() && !runner.measuring(); ++c) {
      upload_f32(runner.backend(), inputs.embeds[c].prompt_embeds, encoded.prompt_embeds[c]);
      upload_f32(runner.backend(), inputs.embeds[c].pooled, encoded.pooled[c]);
    }
    return true;
  }
  // While measuring there are no tokens yet; the longest prompt needs the most.
  const std::vector<std::int32_t> longest(
      static_cast<std::size_t>(std::max<std::int64_t>(model.clip->max_positions, job.max_sequence_length)), 0);
  const auto tokens_of = [&](const std::vector<std::int32_t> PromptTokens::*ids, std::int64_t pass,
                             std::int64_t measured) -> std::span<const std::int32_t> {
    if (runner.measuring()) return std::span(longest).first(static_cast<std::size_t>(measured));
    return inputs.tokens[static_cast<std::size_t>(pass)].*ids;
  };
  const std::int64_t passes = job.num_conditionings();
  return runner.run({"encode", &model.clip_part, passes, 0},
                    [&](const Executor& executor, WeightSource& weights, std::int64_t pass) {
                      encode_clip(executor, weights, *model.clip, job.activations,
                                  tokens_of(&PromptTokens::clip, pass, model.clip->max_positions),
                                  encoded.pooled[static_cast<std::size_t>(pass)]);
                    }) &&
         runner.run({"encode", &model.t5_part, passes, 0},
                    [&](const Executor& executor, WeightSource& weights, std::int64_t pass) {
                      encode_t5(executor, weights, *model.t5, job.activations,
                                tokens_of(&PromptTokens::t5, pass, job.max_sequence_length),
                                encoded.prompt_embeds[static_cast<std::size_t>(pass)]);
                    });
}

bool modulate_all(PhaseRunner& runner, const OpenModel& model, const Job& job, const Encoded& encoded,
                  const Modulated& modulated) {
  if (!runner.measuring()) upload_modulation_inputs(runner.backend(), model, job, modulated);
  std::vector<FluxConditioning> conditionings;
  for (std::size_t c = 0; c < modulated.txt.size(); ++c) {
    conditionings.push_back({encoded.prompt_embeds[c], encoded.pooled[c], modulated.guidance, modulated.txt[c]});
  }
  return runner.run({"modulate", &model.modulate_part, 1, 0}, [&](const Executor& executor, WeightSource& weights,
                                                                  std::int64_t) {
    modulate(executor, weights, model.flux, job.activations, modulated.timesteps, conditionings, modulated.modulations);
  });
}

// The forward passes of one step: an image's positive pass, then its negative pass where there is true CFG.
std::vector<FluxPass> list_passes(const Job& job, const Modulated& modulated, std::span<const Tensor> latents) {
  std::vector<FluxPass> passes;
  for (std::size_t i = 0; i < latents.size(); ++i) {
    FluxPass pass;
    pass.latents = latents[i];
    pass.pe = modulated.pe;
    pass.txt = modulated.txt[job.images[i].conditioning];
    passes.push_back(pass);
    if (!job.has_negative) continue;
    pass.txt = modulated.txt[job.negative()];
    passes.push_back(pass);
  }
  return passes;
}

void prepare_step(const Executor& executor, const OpenModel& model, const Job& job, const Modulated& modulated,
                  std::int64_t step, std::span<FluxPass> passes) {
  const std::size_t passes_per_image = job.has_negative ? 2 : 1;
  for (std::size_t i = 0; i < passes.size(); ++i) {
    const bool negative = i % passes_per_image == 1;
    const std::size_t conditioning = negative ? job.negative() : job.images[i / passes_per_image].conditioning;
    const std::int64_t row = modulation_row(static_cast<std::int64_t>(conditioning), step, job.num_steps());
    passes[i].modulations = modulated.modulations.rows(row, 1);
    passes[i].velocity = executor.allocate(DType::kF32, {job.latent.num_tokens(), model.flux.out_channels});
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

bool denoise(PhaseRunner& runner, const OpenModel& model, const Job& job, const Modulated& modulated,
             std::span<const Tensor> latents, RunOutputs& outputs) {
  std::vector<FluxPass> passes = list_passes(job, modulated, latents);
  // Latents are kept in f32 whatever the activations are, so the step size is not rounded either.
  const std::vector<float> dt = sampling::step_sizes(job.schedule, DType::kF32);
  return runner.run({"denoise", &model.denoise_part, job.num_steps(), 0},
                    [&](const Executor& executor, WeightSource& weights, std::int64_t step) {
                      const ArenaScope scope(executor.arena());
                      prepare_step(executor, model, job, modulated, step, passes);
                      predict_velocity(executor, weights, model.flux, job.activations, passes);
                      advance_latents(executor, job, dt[static_cast<std::size_t>(step)], passes);
                      if (!runner.measuring()) outputs.on_step(step);
                    });
}

bool decode(PhaseRunner& runner, const OpenModel& model, const Job& job, std::span<const Tensor> latents,
            RunOutputs& outputs) {
  const std::int64_t channels = model.autoencoder.image_channels;
  const auto rgb_bytes = static_cast<std::size_t>(job.width) * static_cast<std::size_t>(job.height) * 3;
  const std::size_t kept_bytes = (rgb_bytes + latents[0].num_bytes()) * latents.size();
  return runner.run({"decode", &model.decoder_part, job.num_images(), kept_bytes},
                    [&](const Executor& executor, WeightSource& weights, std::int64_t index) {
                      const ArenaScope scope(executor.arena());
                      const Tensor& packed = latents[static_cast<std::size_t>(index)];
                      const Tensor image = executor.allocate(DType::kF32, {job.height, job.width, channels});
                      const Tensor rgb = executor.allocate(DType::kU8, {job.height, job.width, channels});
                      decode_latents(executor, weights, model.autoencoder, job.activations, packed, image);
                      executor.run(ops::ToRgb8{image, rgb});
                      if (runner.measuring()) return;
                      std::vector<std::uint8_t> pixels(rgb_bytes);
                      runner.backend().download(rgb, std::as_writable_bytes(std::span(pixels)));
                      outputs.on_image(static_cast<std::size_t>(index), std::move(pixels),
                                       download_f32(runner.backend(), packed));
                    });
}

}  // namespace

bool run_encode(PhaseRunner& runner, const OpenModel& model, const Job& job, const RunInputs& inputs,
                RunOutputs& outputs) {
  Encoded encoded;
  const auto holding = runner.hold([&](Arena& arena) { encoded = allocate_encoded(arena, model, job); });
  if (!encode(runner, model, job, inputs, encoded)) return false;
  for (std::size_t c = 0; c < encoded.pooled.size() && !runner.measuring(); ++c) {
    outputs.on_embeds(c, {download_f32(runner.backend(), encoded.prompt_embeds[c]),
                          download_f32(runner.backend(), encoded.pooled[c])});
  }
  return true;
}

bool run_text_to_image(PhaseRunner& runner, const OpenModel& model, const Job& job, const RunInputs& inputs,
                       RunOutputs& outputs) {
  Encoded encoded;
  auto encoded_memory = runner.hold([&](Arena& arena) { encoded = allocate_encoded(arena, model, job); });
  if (!encode(runner, model, job, inputs, encoded)) return false;

  Modulated modulated;
  auto modulated_memory = runner.hold([&](Arena& arena) { modulated = allocate_modulated(arena, model, job); });
  if (!modulate_all(runner, model, job, encoded, modulated)) return false;
  encoded_memory.reset();

  std::vector<Tensor> latents;
  const auto latents_memory = runner.hold([&](Arena& arena) { latents = allocate_latents(arena, model, job); });
  if (!runner.measuring()) upload_latents(runner.backend(), job, inputs, latents);
  if (!denoise(runner, model, job, modulated, latents, outputs)) return false;
  modulated_memory.reset();

  return decode(runner, model, job, latents, outputs);
}

}  // namespace steadyflux
