#include "pipeline/phases.h"

#include "base/error.h"
#include "pipeline/host_values.h"

namespace steadyflux {
namespace {

// Memory of rows: of one where they are in a file.
std::size_t rows_bytes(const Job& job, std::size_t count, std::size_t row_bytes) {
  return job.spilled ? row_bytes : count * row_bytes;
}

std::size_t embeds_row_bytes(const OpenModel& model, const Job& job) {
  return tensor_bytes(job.activations,
                      {job.max_sequence_length * model.flux.joint_attention_dim + model.flux.pooled_projection_dim});
}

std::size_t modulated_row_bytes(const OpenModel& model, const Job& job) {
  return tensor_bytes(job.activations,
                      {job.max_sequence_length * model.flux.width() + job.num_steps() * modulation_width(model.flux)});
}

std::size_t latents_row_bytes(const OpenModel& model, const Job& job) {
  return tensor_bytes(DType::kF32, {job.latent.num_tokens(), model.flux.in_channels});
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
  std::vector<Phase> phases = {Phase::kEncode, Phase::kModulate, Phase::kDenoise, Phase::kDecode};
  std::erase_if(phases, [&](Phase phase) { return num_items(phase, job) == 0; });
  return phases;
}

std::int64_t num_items(Phase phase, const Job& job) {
  switch (phase) {
    case Phase::kEncode:
      return static_cast<std::int64_t>(job.to_encode.size());
    case Phase::kModulate:
      return static_cast<std::int64_t>(job.to_modulate.size());
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
      context.carried.given_latents = {};
      return finished;
    }
    case Phase::kDecode:
      return run_decode(context);
  }
  fail(ErrorCode::kInternal, "there is no such phase");
}

void allocate_embeds(const OpenModel& model, const Job& job, Carried& carried) {
  if (!carried.pooled.empty()) return;
  const std::size_t count = job.conditionings.size();
  const Shape embeds = {job.max_sequence_length, model.flux.joint_attention_dim};
  carried.pooled = carried.make(count, tensor_bytes(job.activations, {1, model.flux.pooled_projection_dim}));
  carried.prompt_embeds = carried.make(count, tensor_bytes(job.activations, embeds));
}

void allocate_modulated(const OpenModel& model, const Job& job, Carried& carried) {
  if (!carried.txt.empty()) return;
  const std::size_t count = job.conditionings.size();
  const Shape modulations = {job.num_steps(), modulation_width(model.flux)};
  carried.txt = carried.make(count, tensor_bytes(job.activations, {job.max_sequence_length, model.flux.width()}));
  carried.modulations = carried.make(count, tensor_bytes(job.activations, modulations));
}

void carry_embeds(const Job& job, std::span<const PromptEmbeds> embeds, Carried& carried) {
  const auto carry = [&](const std::vector<float> PromptEmbeds::*values) {
    std::vector<std::byte> row(tensor_bytes(job.activations, {std::ssize(embeds[0].*values)}));
    CarriedRows rows = carried.make(embeds.size(), row.size());
    for (std::size_t c = 0; c < embeds.size(); ++c) {
      store_values(embeds[c].*values, job.activations, row);
      rows.store(c, row);
    }
    return rows;
  };
  carried.prompt_embeds = carry(&PromptEmbeds::prompt_embeds);
  carried.pooled = carry(&PromptEmbeds::pooled);
}

void carry_latents(const Job& job, std::span<const float> latents, Carried& carried) {
  const std::size_t row_size = latents.size() / job.images.size();
  carried.given_latents = carried.make(job.images.size(), row_size * sizeof(float));
  for (std::size_t i = 0; i < job.images.size(); ++i) {
    carried.given_latents.store(i, std::as_bytes(latents.subspan(i * row_size, row_size)));
  }
}

std::size_t carried_bytes_in_memory(const OpenModel& model, const Job& job) {
  return job.conditionings.size() * (embeds_row_bytes(model, job) + modulated_row_bytes(model, job)) +
         job.images.size() * latents_row_bytes(model, job);
}

PromptEmbeds carried_embeds(const Job& job, Carried& carried, std::size_t conditioning) {
  return {load_values(carried.prompt_embeds.load(conditioning), job.activations),
          load_values(carried.pooled.load(conditioning), job.activations)};
}

std::size_t carried_bytes(Phase phase, const OpenModel& model, const Job& job) {
  const std::size_t embeds = rows_bytes(job, job.conditionings.size(), embeds_row_bytes(model, job));
  const std::size_t modulated = rows_bytes(job, job.conditionings.size(), modulated_row_bytes(model, job));
  const std::size_t latents = rows_bytes(job, job.images.size(), latents_row_bytes(model, job));
  const std::size_t given_latents = job.latents_given ? latents : 0;
  switch (phase) {
    case Phase::kEncode: {
      const bool some_modulated = job.to_modulate.size() < job.conditionings.size();
      return embeds + (some_modulated ? modulated : 0) + given_latents;
    }
    case Phase::kModulate:
      return embeds + modulated + given_latents;
    case Phase::kDenoise:
      return modulated + given_latents + latents;
    case Phase::kDecode:
      return latents;
  }
  fail(ErrorCode::kInternal, "there is no such phase");
}

}  // namespace steadyflux
