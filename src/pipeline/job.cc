#include "pipeline/job.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>

#include "base/error.h"
#include "pipeline/phases.h"

namespace steadyflux {
namespace {

constexpr int kMaxSequenceLength = 512;  // that FLUX.1 was trained with, and the reference accepts
constexpr int kMaxImages = 100'000;
// What passes between phases stays in memory up to this size; a file costs little more time, and no step waits for it.
constexpr std::size_t kMaxCarriedBytes = std::size_t{64} << 20;

template <typename... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  fail(ErrorCode::kInvalidArgument, parts...);
}

void add_conditionings(const Request& request, Job& job) {
  for (const std::string& prompt : request.prompts) {
    job.conditionings.push_back({prompt, request.prompt_2.value_or(prompt)});
  }
  if (job.has_negative) {
    job.conditionings.push_back({*request.negative, request.negative_2.value_or(*request.negative)});
  }
}

void check_guidance_flags(const OpenModel& model, const Request& request) {
  if (request.guidance && !model.flux.guidance_embeds) {
    refuse("guidance ", *request.guidance, " would have no effect: ", model.name,
           " has no guidance input; use true_cfg with a negative prompt instead");
  }
  if (request.guidance && !std::isfinite(*request.guidance)) refuse("guidance must be finite, not ", *request.guidance);
  const bool cfg = request.true_cfg > 1;
  if (!(request.true_cfg >= 1) || !std::isfinite(request.true_cfg)) {
    refuse("true_cfg must be 1 (off) or a larger number, not ", request.true_cfg);
  }
  if (request.embeds.empty() && cfg != request.negative.has_value()) {
    refuse(cfg ? "true_cfg above 1 needs a negative prompt (it may be empty)"
               : "a negative prompt has no effect without true_cfg above 1");
  }
  if (request.negative_2 && !request.negative) refuse("negative_2 has no effect without a negative prompt");
}

void check_prompts(const OpenModel& model, const Request& request) {
  if (!request.embeds.empty()) {
    if (!request.prompts.empty() || request.prompt_2 || request.negative || request.negative_2 ||
        request.max_sequence_length) {
      refuse(
          "prompt embeddings from a file replace prompt, prompt_2, negative and max_sequence_length: give one or "
          "the other");
    }
    return;
  }
  if (request.prompts.empty()) refuse("there is no prompt");
  if (!model.has_encoders()) {
    fail(ErrorCode::kNotFound, model.name, " has no text encoders; give prompt embeddings made with a model that has");
  }
}

void check_decreasing(const std::vector<double>& sigmas) {
  const auto rise = std::adjacent_find(sigmas.begin(), sigmas.end(), std::less_equal<>());
  if (rise != sigmas.end()) refuse("sigmas must decrease, but ", *rise, " is followed by ", *(rise + 1));
}

std::vector<double> chosen_sigmas(const OpenModel& model, const Request& request) {
  if (!request.sigmas.empty()) {
    if (request.steps && *request.steps != static_cast<int>(request.sigmas.size())) {
      refuse("steps ", *request.steps, " contradicts the ", request.sigmas.size(), " sigmas given");
    }
    check_decreasing(request.sigmas);
    return request.sigmas;
  }
  const int usual = model.flux.guidance_embeds ? 28 : 4;
  return sampling::default_sigmas(request.steps.value_or(model.dir.defaults.steps.value_or(usual)));
}

int chosen_sequence_length(const OpenModel& model, const Request& request) {
  const int usual = model.flux.guidance_embeds ? 512 : 256;
  const int length = request.max_sequence_length.value_or(model.dir.defaults.max_sequence_length.value_or(usual));
  if (length < 1 || length > kMaxSequenceLength) {
    refuse("max_sequence_length must be between 1 and ", kMaxSequenceLength, ", not ", length);
  }
  return length;
}

std::vector<ImageJob> list_images(const Request& request, std::size_t num_prompts) {
  if (request.count < 1 || static_cast<std::size_t>(request.count) > kMaxImages / num_prompts) {
    refuse("count must be between 1 and ", kMaxImages / num_prompts, ", not ", request.count);
  }
  // 32 bits, since PyTorch's CPU generator uses no more of a seed.
  const std::uint64_t seed = request.seed ? *request.seed : std::random_device{}();
  std::vector<ImageJob> images;
  for (std::size_t prompt = 0; prompt < num_prompts; ++prompt) {
    for (int i = 0; i < request.count; ++i) images.push_back({prompt, seed + static_cast<std::uint64_t>(i)});
  }
  return images;
}

void choose_decode(const OpenModel& model, const Request& request, Job& job) {
  constexpr int kTileSize = 512;
  job.decode = request.decode;
  if (request.decode != DecodeChoice::kTiled) {
    if (request.tile_size) refuse("tile_size has no effect unless pictures are decoded in tiles");
    return;
  }
  job.tile_size = request.tile_size.value_or(kTileSize);
  const auto unit = static_cast<int>(4 * model.autoencoder.scale());
  if (job.tile_size < unit || job.tile_size % unit != 0) {
    refuse("the side of a tile must be a multiple of ", unit, ", not ", job.tile_size);
  }
}

DType chosen_model_dtype(const OpenModel& model, const EngineOptions& options) {
  if (options.dtype == ModelDType::kAuto) {
    const DType weights = model.weights_dtype;
    return weights == DType::kBF16 || weights == DType::kI8 || is_quantised(weights) ? DType::kBF16 : DType::kF32;
  }
  return options.dtype == ModelDType::kBF16 ? DType::kBF16 : DType::kF32;
}

void choose_dtypes(const OpenModel& model, const EngineOptions& options, const Request& request, Job& job) {
  job.model_dtype = chosen_model_dtype(model, options);
  job.activations = job.noise = job.model_dtype;
  if (options.compute == ComputeDType::kF32) job.activations = DType::kF32;
  if (options.compute == ComputeDType::kBF16) job.activations = DType::kBF16;
  if (options.compute == ComputeDType::kInt8) job.compute = ops::Compute::kInt8;
  if (request.noise != NoiseDType::kAuto) job.noise = request.noise == NoiseDType::kBF16 ? DType::kBF16 : DType::kF32;
}

}  // namespace

Job make_job(const OpenModel& model, const EngineOptions& options, const Request& request) {
  check_prompts(model, request);
  check_guidance_flags(model, request);
  Job job;
  job.from_embeds = !request.embeds.empty();
  job.latents_given = !request.latents.empty();
  job.keep_latents = request.keep_latents;
  job.keep_images = request.keep_images;
  job.true_cfg = request.true_cfg;
  job.has_negative = request.true_cfg > 1;
  if (job.from_embeds) {
    job.conditionings.resize(job.has_negative ? 2 : 1);
  } else {
    add_conditionings(request, job);
  }
  job.to_modulate.resize(job.conditionings.size());
  std::iota(job.to_modulate.begin(), job.to_modulate.end(), std::size_t{0});
  if (!job.from_embeds) job.to_encode = job.to_modulate;
  job.images = list_images(request, job.conditionings.size() - (job.has_negative ? 1 : 0));
  constexpr int kFluxSide = 1024;
  job.width = request.width.value_or(model.dir.defaults.width.value_or(kFluxSide));
  job.height = request.height.value_or(model.dir.defaults.height.value_or(kFluxSide));
  job.latent = sampling::latent_size(job.width, job.height, static_cast<int>(model.autoencoder.scale()));
  job.schedule = sampling::make_schedule(model.scheduler, chosen_sigmas(model, request), job.latent.num_tokens());
  job.guidance = request.guidance.value_or(model.dir.defaults.guidance.value_or(3.5));
  job.max_sequence_length = chosen_sequence_length(model, request);
  choose_dtypes(model, options, request, job);
  choose_decode(model, request, job);
  job.spilled = options.ram_bytes > 0 && carried_bytes_in_memory(model, job) > kMaxCarriedBytes;
  return job;
}

}  // namespace steadyflux
