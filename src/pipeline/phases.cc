#include "pipeline/phases.h"

#include "base/error.h"
#include "pipeline/host_values.h"

namespace steadyflux {
namespace {

std::size_t embeds_bytes(const OpenModel& model, const Job& job) {
  const std::int64_t elements =
      job.max_sequence_length * model.flux.joint_attention_dim + model.flux.pooled_projection_dim;
  return job.conditionings.size() * tensor_bytes(job.activations, {elements});
}

std::size_t modulated_bytes(const OpenModel& model, const Job& job) {
  const std::int64_t elements =
      job.max_sequence_length * model.flux.width() + job.num_steps() * modulation_width(model.flux);
  return job.conditionings.size() * tensor_bytes(job.activations, {elements});
}

std::size_t latents_bytes(const OpenModel& model, const Job& job) {
  return job.images.size() * tensor_bytes(DType::kF32, {job.latent.num_tokens(), model.flux.in_channels});
}

}  // namespace

std::string_view phase_name(Phase phase) {
  switch (phase) {
    case Phase::kEncode:
      return "encode";
    case Phase::kModulate:
      return "modulate";
    case Phase::kDenoise:
      return "denoise";
    case Phase::kDecode:
      return "decode";
  }
  fail(ErrorCode::kInternal, "there is no such phase");
}

std::vector<Phase> list_phases(const Job& job) {
  if (job.from_embeds) return {Phase::kModulate, Phase::kDenoise, Phase::kDecode};
  return {Phase::kEncode, Phase::kModulate, Phase::kDenoise, Phase::kDecode};
}

std::int64_t num_items(Phase phase, const Job& job) {
  switch (phase) {
    case Phase::kEncode:
    case Phase::kModulate:
      return job.num_conditionings();
    case Phase::kDenoise:
      return job.num_images();
    case Phase::kDecode:
      return 1;  // a picture at a time
  }
  fail(ErrorCode::kInternal, "there is no such phase");
}

bool run_phase(Phase phase, const PhaseContext& context) {
  switch (phase) {
    case Phase::kEncode:
      return run_encode(context);
    case Phase::kModulate: {
      const bool finished = run_modulate(context);
      context.carried.prompt_embeds = {};
      context.carried.pooled = {};
      return finished;
    }
    case Phase::kDenoise: {
      const bool finished = run_denoise(context);
      context.carried.txt = {};
      context.carried.modulations = {};
      return finished;
    }
    case Phase::kDecode:
      return run_decode(context);
  }
  fail(ErrorCode::kInternal, "there is no such phase");
}

void carry_embeds(const Job& job, std::span<const PromptEmbeds> embeds, Carried& carried) {
  const std::size_t element_bytes = tensor_bytes(job.activations, {1});
  carried.prompt_embeds = {embeds.size(), embeds[0].prompt_embeds.size() * element_bytes};
  carried.pooled = {embeds.size(), embeds[0].pooled.size() * element_bytes};
  for (std::size_t c = 0; c < embeds.size(); ++c) {
    store_values(embeds[c].prompt_embeds, job.activations, carried.prompt_embeds.row(c));
    store_values(embeds[c].pooled, job.activations, carried.pooled.row(c));
  }
}

void carry_latents(const Job& job, std::span<const float> latents, Carried& carried) {
  const std::size_t row_size = latents.size() / job.images.size();
  carried.latents = {job.images.size(), row_size * sizeof(float)};
  for (std::size_t i = 0; i < job.images.size(); ++i) {
    store_values(latents.subspan(i * row_size, row_size), DType::kF32, carried.latents.row(i));
  }
}

PromptEmbeds carried_embeds(const Job& job, const Carried& carried, std::size_t conditioning) {
  return {load_values(carried.prompt_embeds.row(conditioning), job.activations),
          load_values(carried.pooled.row(conditioning), job.activations)};
}

std::size_t carried_bytes(Phase phase, const OpenModel& model, const Job& job) {
  const std::size_t given_latents = job.latents_given ? latents_bytes(model, job) : 0;
  switch (phase) {
    case Phase::kEncode:
      return embeds_bytes(model, job) + given_latents;
    case Phase::kModulate:
      return embeds_bytes(model, job) + modulated_bytes(model, job) + given_latents;
    case Phase::kDenoise:
      return modulated_bytes(model, job) + latents_bytes(model, job);
    case Phase::kDecode:
      return latents_bytes(model, job);
  }
  fail(ErrorCode::kInternal, "there is no such phase");
}

}  // namespace steadyflux
