#include "request_flags.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>

#include "base/bytes.h"
#include "base/error.h"
#include "component_flags.h"
#include "pipeline/make_backend.h"
#include "pipeline/user_cache_dir.h"

namespace steadyflux::cli {
namespace {

const std::map<std::string, ModelDType> kModelDTypes = {
    {"auto", ModelDType::kAuto}, {"f32", ModelDType::kF32}, {"bf16", ModelDType::kBF16}};
const std::map<std::string, ComputeDType> kComputeDTypes = {{"auto", ComputeDType::kAuto},
                                                            {"f32", ComputeDType::kF32},
                                                            {"bf16", ComputeDType::kBF16},
                                                            {"int8", ComputeDType::kInt8}};
const std::map<std::string, NoiseDType> kNoiseDTypes = {
    {"auto", NoiseDType::kAuto}, {"f32", NoiseDType::kF32}, {"bf16", NoiseDType::kBF16}};

const std::map<std::string, DecodeChoice> kDecodeChoices = {{"auto", DecodeChoice::kAuto},
                                                            {"whole", DecodeChoice::kWhole},
                                                            {"banded", DecodeChoice::kBanded},
                                                            {"tiled", DecodeChoice::kTiled}};

// Empty where the environment names no place for caches.
std::filesystem::path usual_cache() {
  const std::filesystem::path caches = user_cache_dir();
  return caches.empty() ? caches : caches / "prompts";
}

// The parser of numbers would wrap a negative or too large one round.
std::string check_seed(const std::string& text) {
  std::uint64_t seed = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, seed);
  if (error == std::errc{} && rest == end) return {};
  return "'" + text + "' is not a seed; a whole number from 0 to 18446744073709551615 is";
}

std::uint64_t parse_budget(const std::string& flag, const std::string& text) {
  return text == "auto" ? kAutoBudget : parse_fixed_budget(flag, text);
}

// The simulated device has as much memory as is asked for.
void set_vram(const std::string& text, EngineOptions& engine) {
  engine.vram_bytes = parse_budget("--vram", text);
  if (engine.vram_bytes == kAutoBudget) return;
  engine.simulated_device.memory_bytes = std::max(engine.simulated_device.memory_bytes, engine.vram_bytes);
}

// "512x768"
ImageSize parse_size(const std::string& flag, const std::string& text) {
  int width = 0;
  int height = 0;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, width);
  const bool has_separator = first.ec == std::errc{} && first.ptr != end && *first.ptr == 'x';
  const auto second = has_separator ? std::from_chars(first.ptr + 1, end, height) : first;
  if (!has_separator || second.ec != std::errc{} || second.ptr != end) {
    throw CLI::ValidationError(flag, "'" + text + "' is not a size; write WIDTHxHEIGHT, for example 512x768");
  }
  return {width, height};
}

void set_size(const std::string& text, Request& request) {
  request.auto_size = text == "auto";
  if (request.auto_size) return;
  const ImageSize size = parse_size("--size", text);
  request.width = size.width;
  request.height = size.height;
}

// "tiled:512" → tiles and their size.
void set_decode(const std::string& text, Request& request) {
  const std::size_t colon = text.find(':');
  const auto found = kDecodeChoices.find(text.substr(0, colon));
  if (found == kDecodeChoices.end()) {
    throw CLI::ValidationError("--decode", "'" + text + "' is not auto, whole, banded, tiled or tiled:PX");
  }
  request.decode = found->second;
  request.tile_size.reset();
  if (colon == std::string::npos) return;
  int tile_size = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + colon + 1, end, tile_size);
  if (error != std::errc{} || rest != end || request.decode != DecodeChoice::kTiled) {
    throw CLI::ValidationError("--decode", "'" + text + "': write tiled:PX with PX pixels, for example tiled:512");
  }
  request.tile_size = tile_size;
}

std::filesystem::path& replaced_file(EngineOptions& options, Component component) {
  switch (component) {
    case Component::kClip:
      return options.text_encoder;
    case Component::kT5:
      return options.text_encoder_2;
    case Component::kAutoencoder:
      return options.vae;
    case Component::kTransformer:
      break;
  }
  return options.transformer;
}

}  // namespace

std::filesystem::path rates_path() {
  const std::filesystem::path directory = user_cache_dir();
  return directory.empty() ? directory : directory / "rates.json";
}

std::string check_device(const std::string& text) {
  return is_device_name(text) ? "" : "'" + text + "' is none of " + kDeviceNames;
}

std::uint64_t parse_fixed_budget(const std::string& flag, const std::string& text) {
  const std::uint64_t bytes = parse_bytes(text);
  if (bytes == 0) throw CLI::ValidationError(flag, "a budget of nothing fits nothing");
  return bytes;
}

Engine RequestFlags::open_engine() const {
  if (!request_.embeds.empty() && !(engine_.text_encoder.empty() && engine_.text_encoder_2.empty())) {
    fail(ErrorCode::kInvalidArgument, "--text-encoder and --text-encoder-2 have no effect with --embeds");
  }
  return Engine::open(engine_);
}

void RequestFlags::add_model_flags(CLI::App& app) {
  app.add_option("--model", engine_.model, "Model directory, \"spark\", or the ID of a locally cached model")
      ->capture_default_str();
  add_component_flags(
      app, [this](Component component, const std::string& file) { replaced_file(engine_, component) = file; });
  app.add_option("--dtype", engine_.dtype, "Type the model is run as: auto (the checkpoint's), f32, bf16")
      ->transform(CLI::CheckedTransformer(kModelDTypes));
  add_compute_flags(app);
}

void RequestFlags::add_compute_flags(CLI::App& app) {
  app.add_option("--threads", engine_.threads, "Worker threads; 0: one per processor")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--compute", engine_.compute,
                 "Type of activations: auto (the model's), f32, bf16; or int8: auto, with the products of the "
                 "transformer's blocks in integers of 8 bits (experimental)")
      ->transform(CLI::CheckedTransformer(kComputeDTypes));
}

void RequestFlags::add_budget_flag(CLI::App& app) {
  app.add_option_function<std::string>(
      "--ram", [this](const std::string& text) { engine_.ram_bytes = parse_budget("--ram", text); },
      "The most memory the process may hold, for example 8G; auto: what the machine or control group has, less "
      "max(1 GiB, 10 %). Weights that do not fit are read again on every pass");
  app.add_flag("--force", engine_.force, "Run even when the system cannot give now what the plan takes");
  constexpr const char* kHidden = "";
  app.add_option("--system-root", engine_.system_root, "Where proc/ and sys/ of a made-up machine are")->group(kHidden);
}

void RequestFlags::add_device_flag(CLI::App& app) {
  app.add_option("--device", engine_.device,
                 "What computes: auto, an NVIDIA card where the build and the machine have one, else the processor; "
                 "cpu; cuda or cuda:N; or simulated: a card of 8 GiB or --vram, played by the processor, for tests")
      ->check(check_device, "")
      ->capture_default_str();
}

void RequestFlags::add_device_flags(CLI::App& app) {
  add_device_flag(app);
  app.add_option_function<std::string>(
      "--vram", [this](const std::string& text) { set_vram(text, engine_); },
      "The most of a device's own memory that may be held, for example 8G; auto: what it has, less max(512 MiB, 5 %)");
}

void RequestFlags::add_prompt_flags(CLI::App& app) {
  app.add_option("--prompt", request_.prompts, "What to show; may be given several times")->take_all();
  app.add_option("--prompt-2", request_.prompt_2, "Prompt of the T5 encoder, if not the same");
  app.add_option("--negative", request_.negative, "What not to show; needs --true-cfg above 1");
  app.add_option("--negative-2", request_.negative_2, "Negative prompt of the T5 encoder, if not the same");
  app.add_option("--true-cfg", request_.true_cfg, "Classifier-free guidance by a second pass; 1: off")
      ->capture_default_str();
  add_text_length_flag(app);
}

void RequestFlags::add_cache_flag(CLI::App& app) {
  engine_.prompt_cache = usual_cache();
  app.add_option_function<std::string>(
         "--prompt-cache",
         [this](const std::string& text) { engine_.prompt_cache = text == "off" ? std::string() : text; },
         "Directory that keeps what was computed for prompts (2 GiB at most), or off; by default " +
             (engine_.prompt_cache.empty() ? std::string("off") : engine_.prompt_cache.string()))
      ->envname("STEADYFLUX_PROMPT_CACHE");
}

void RequestFlags::add_text_length_flag(CLI::App& app) {
  app.add_option("--max-sequence-length", request_.max_sequence_length, "Tokens of the T5 prompt");
}

void RequestFlags::add_size_flags(CLI::App& app) {
  auto* width = app.add_option("--width", request_.width, "Pixels, a multiple of 16");
  auto* height = app.add_option("--height", request_.height, "Pixels, a multiple of 16");
  app.add_option_function<std::string>(
         "--size", [this](const std::string& text) { set_size(text, request_); },
         "WIDTHxHEIGHT, or auto: the largest usual size that fits the budget and --max-size")
      ->excludes(width)
      ->excludes(height);
}

void RequestFlags::add_max_size_flag(CLI::App& app) {
  app.add_option_function<std::string>(
      "--max-size", [this](const std::string& text) { request_.max_size = parse_size("--max-size", text); },
      "WIDTHxHEIGHT that no side goes beyond");
}

void RequestFlags::add_image_flags(CLI::App& app) {
  add_size_flags(app);
  add_max_size_flag(app);
  add_sampling_flags(app);
}

void RequestFlags::add_sampling_flags(CLI::App& app) {
  app.add_option("--steps", request_.steps, "Denoising steps");
  app.add_option("--sigmas", request_.sigmas, "Own noise levels, decreasing in (0, 1], separated by commas")
      ->delimiter(',');
  app.add_option("--guidance", request_.guidance, "Distilled guidance, for models that have it");
  app.add_option("--seed", request_.seed, "Seed of the first image; random and printed if absent")
      ->check(check_seed, "");
  app.add_option("--count", request_.count, "Images per prompt, with seeds s, s+1, …")->capture_default_str();
  app.add_option("--noise", request_.noise, "Type in which noise is drawn: auto (the model's), f32, bf16")
      ->transform(CLI::CheckedTransformer(kNoiseDTypes));
  app.add_option_function<std::string>(
      "--decode", [this](const std::string& text) { set_decode(text, request_); },
      "From latents to pixels: auto, whole, banded (the same pixels in less memory), tiled[:PX] (blended tiles)");
  app.add_option("--latents", request_.latents, "Start from the packed latents in this safetensors file");
  app.add_option("--embeds", request_.embeds, "Use prompt embeddings written by encode, instead of --prompt");
}

}  // namespace steadyflux::cli
