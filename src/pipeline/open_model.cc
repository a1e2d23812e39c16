#include "pipeline/open_model.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "base/error.h"
#include "pipeline/find_model.h"
#include "pipeline/infer_config.h"
#include "pipeline/model_configs.h"

namespace steadyflux {
namespace {

// A component's files, opened, and what they were like just before.
struct OpenedComponent {
  const WeightIndex* index = nullptr;
  FilesState state;
};

OpenedComponent open_component(OpenModel& model, Component component) {
  const FilesState state = examine_files(model.dir.component_places(component_name(component)));
  model.indexes.push_back(std::make_unique<WeightIndex>(model.dir.component_weights(component)));
  return {model.indexes.back().get(), state};
}

WeightPart make_part(const OpenedComponent& opened, std::span<const GroupSpec> groups) {
  return {opened.index, place_groups(*opened.index, groups), opened.state};
}

void open_clip(OpenModel& model) {
  model.clip = clip_config(model.dir.component_config("text_encoder"));
  const OpenedComponent opened = open_component(model, Component::kClip);
  const auto groups = clip_groups(*model.clip);
  check_all_known(*opened.index, groups);
  model.clip_part = make_part(opened, groups);
}

void open_t5(OpenModel& model) {
  model.t5 = t5_config(model.dir.component_config("text_encoder_2"));
  const OpenedComponent opened = open_component(model, Component::kT5);
  const auto groups = t5_groups(*model.t5);
  check_all_known(*opened.index, groups);
  model.t5_part = make_part(opened, groups);
  if (model.t5->d_model != model.flux.joint_attention_dim) {
    fail(ErrorCode::kInvalidFile, model.name, ": the T5 encoder is ", model.t5->d_model,
         " wide, but the transformer's joint_attention_dim is ", model.flux.joint_attention_dim);
  }
}

// The directory's scheduler stays, and it is that of a dev model or of a schnell model.
void warn_of_other_guidance(OpenModel& model, const std::filesystem::path& file) {
  const bool guided = model.flux.guidance_embeds;
  model.warnings.push_back(
      file.string() + (guided ? " has a guidance input (dev)" : " has no guidance input (schnell)") +
      ", but the transformer in whose place it is " + (guided ? "has none (schnell)" : "has one (dev)") +
      ": noise levels and defaults are those of " + model.dir.root.string() +
      "; give --model the directory that the file belongs to, or --steps and --sigmas of your own");
}

// A replaced transformer may be of another size than the directory's.
void configure_transformer(OpenModel& model, const WeightIndex& index) {
  const ModelDir& dir = model.dir;
  const std::filesystem::path file = dir.replaced_file("transformer");
  std::optional<FluxConfig> own;
  if (file.empty() || dir.has_config("transformer")) own = flux_config(dir.component_config("transformer"));
  model.flux = file.empty() ? *own : infer_flux_config(index, own);
  if (own && own->guidance_embeds != model.flux.guidance_embeds) warn_of_other_guidance(model, file);
}

void open_transformer(OpenModel& model) {
  const OpenedComponent opened = open_component(model, Component::kTransformer);
  configure_transformer(model, *opened.index);
  const auto modulate = flux_modulate_groups(model.flux);
  const auto denoise = flux_denoise_groups(model.flux);
  auto all = modulate;
  all.insert(all.end(), denoise.begin(), denoise.end());
  check_all_known(*opened.index, all);
  model.modulate_part = make_part(opened, modulate);
  model.denoise_part = make_part(opened, denoise);
}

void open_autoencoder(OpenModel& model) {
  model.autoencoder = autoencoder_config(model.dir.component_config("vae"));
  const OpenedComponent opened = open_component(model, Component::kAutoencoder);
  const auto decoder = decoder_groups(model.autoencoder);
  auto all = encoder_groups(model.autoencoder);
  all.insert(all.end(), decoder.begin(), decoder.end());
  check_all_known(*opened.index, all);
  model.decoder_part = make_part(opened, decoder);
}

void check_channels(const OpenModel& model) {
  const std::int64_t packed = 4 * model.autoencoder.latent_channels;
  if (model.flux.in_channels == packed && model.flux.out_channels == packed) return;
  fail(ErrorCode::kUnsupported, model.name, ": the transformer takes ", model.flux.in_channels, " and gives ",
       model.flux.out_channels, " channels, but packed latents have ", packed,
       "; text-to-image models have the same on all sides (Fill, Canny and Depth models are not supported)");
}

// The dtype with the most bytes; the first seen wins a tie.
DType main_dtype(const WeightIndex& index) {
  std::array<std::uint64_t, kNumDTypes> bytes{};
  for (const auto& [name, entry] : index.entries()) bytes[static_cast<std::size_t>(entry.dtype)] += entry.num_bytes();
  const auto largest = std::max_element(bytes.begin(), bytes.end());
  return static_cast<DType>(largest - bytes.begin());
}

sampling::SchedulerConfig scheduler_config(const Config& config) {
  sampling::SchedulerConfig result;
  const IntRange any_int = {1, 1 << 24};
  result.num_train_timesteps =
      static_cast<int>(config.get_int("num_train_timesteps", result.num_train_timesteps, any_int));
  result.shift = config.get_float("shift", result.shift);
  result.use_dynamic_shifting = config.get_bool("use_dynamic_shifting", result.use_dynamic_shifting);
  result.base_shift = config.get_float("base_shift", result.base_shift);
  result.max_shift = config.get_float("max_shift", result.max_shift);
  result.base_image_seq_len =
      static_cast<int>(config.get_int("base_image_seq_len", result.base_image_seq_len, any_int));
  result.max_image_seq_len = static_cast<int>(config.get_int("max_image_seq_len", result.max_image_seq_len, any_int));
  const std::string type = config.get_string("time_shift_type", "exponential");
  if (type != "exponential" && type != "linear") {
    fail(ErrorCode::kUnsupported, config.source(), ": time_shift_type is '", type,
         "'; this engine knows exponential and linear");
  }
  result.time_shift_type = type == "linear" ? sampling::TimeShift::kLinear : sampling::TimeShift::kExponential;
  result.shift_terminal = config.get_float("shift_terminal", result.shift_terminal);
  result.invert_sigmas = config.get_bool("invert_sigmas", result.invert_sigmas);
  result.use_karras_sigmas = config.get_bool("use_karras_sigmas", result.use_karras_sigmas);
  result.use_exponential_sigmas = config.get_bool("use_exponential_sigmas", result.use_exponential_sigmas);
  result.use_beta_sigmas = config.get_bool("use_beta_sigmas", result.use_beta_sigmas);
  result.stochastic_sampling = config.get_bool("stochastic_sampling", result.stochastic_sampling);
  return result;
}

std::string model_name(const std::filesystem::path& directory, const ModelDir& dir) {
  const std::filesystem::path transformer = dir.replaced_file("transformer");
  if (!transformer.empty()) return transformer.stem().string();
  const auto clean = std::filesystem::weakly_canonical(directory);
  return clean.filename().string();
}

ReplacedWeights replaced_weights(const EngineOptions& options) {
  ReplacedWeights replaced;
  if (!options.transformer.empty()) replaced[Component::kTransformer] = options.transformer;
  if (!options.text_encoder.empty()) replaced[Component::kClip] = options.text_encoder;
  if (!options.text_encoder_2.empty()) replaced[Component::kT5] = options.text_encoder_2;
  if (!options.vae.empty()) replaced[Component::kAutoencoder] = options.vae;
  return replaced;
}

}  // namespace

OpenModel open_model(const std::filesystem::path& directory, const ReplacedWeights& replaced) {
  OpenModel model;
  model.dir = open_model_dir(directory, replaced);
  model.name = model_name(directory, model.dir);
  model.scheduler = scheduler_config(model.dir.component_config("scheduler"));
  open_transformer(model);
  open_autoencoder(model);
  check_channels(model);
  model.weights_dtype = main_dtype(*model.modulate_part.index);
  return model;
}

OpenModel open_model(const EngineOptions& options) {
  return open_model(find_model(options.model), replaced_weights(options));
}

void open_encoders(OpenModel& model) {
  if (model.clip && model.t5) return;
  open_clip(model);
  open_t5(model);
}

}  // namespace steadyflux
