#include "format/model_dir.h"

#include <algorithm>
#include <array>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "format/printable.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;

// A part that model_index.json may name, and the classes of it that the engine can run; an empty list means that the
// part is not used, whatever it is.
struct PartRule {
  std::string_view name;
  bool needed = false;
  std::vector<std::string_view> classes;
};

const std::vector<PartRule>& part_rules() {
  static const std::vector<PartRule> rules = {
      {"transformer", true, {"FluxTransformer2DModel"}},
      {"vae", true, {"AutoencoderKL"}},
      {"scheduler", true, {"FlowMatchEulerDiscreteScheduler"}},
      {"text_encoder", false, {"CLIPTextModel"}},
      {"text_encoder_2", false, {"T5EncoderModel"}},
      {"tokenizer", false, {"CLIPTokenizer", "CLIPTokenizerFast"}},
      {"tokenizer_2", false, {"T5Tokenizer", "T5TokenizerFast"}},
      {"image_encoder", false, {}},
      {"feature_extractor", false, {}},
  };
  return rules;
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// Reads the pair [library, class] of a component; both are null when the component was left out.
std::optional<ComponentClass> read_component(const Config& index, const std::string& key) {
  if (!index.has(key)) return std::nullopt;
  const auto pair = index.require_nullable_strings(key);
  if (pair.size() != 2 || pair[0].has_value() != pair[1].has_value()) {
    fail(ErrorCode::kInvalidFile, index.source(), ": \"", key, "\" should be a library and a class");
  }
  if (!pair[0]) return std::nullopt;
  return ComponentClass{*pair[0], *pair[1]};
}

void check_component(const Config& index, const std::string& name, const ComponentClass& component) {
  const auto& rules = part_rules();
  const auto rule = std::find_if(rules.begin(), rules.end(), [&](const PartRule& r) { return r.name == name; });
  if (rule == rules.end()) {
    fail(ErrorCode::kUnsupported, index.source(), " names the component \"", printable(name), "\" (",
         printable(component.class_name), "), which is not part of a FLUX.1 text-to-image model");
  }
  const auto& classes = rule->classes;
  if (!classes.empty() && std::find(classes.begin(), classes.end(), component.class_name) == classes.end()) {
    fail(ErrorCode::kUnsupported, index.source(), ": the ", name, " is a ", printable(component.class_name),
         "; supported is ", classes.front());
  }
}

void check_pipeline_class(const Config& index) {
  const std::string name = index.require_string("_class_name");
  if (name == "FluxPipeline") return;
  fail(ErrorCode::kUnsupported, index.source(), ": the pipeline is a ", printable(name), "; supported is FluxPipeline");
}

std::optional<int> optional_count(const Config& config, std::string_view key, IntRange range) {
  if (!config.has(key)) return std::nullopt;
  return static_cast<int>(config.require_int(key, range));
}

ModelDefaults read_defaults(const fs::path& path) {
  ModelDefaults defaults;
  if (!is_there(path)) return defaults;
  const Config config = Config::load(path);
  constexpr std::array<std::string_view, 5> kKeys = {"width", "height", "steps", "guidance", "max_sequence_length"};
  for (const std::string& key : config.keys()) {
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
      fail(ErrorCode::kInvalidFile, config.source(), ": the key \"", printable(key), "\" is not known");
    }
  }
  constexpr IntRange kSizeRange = {1, 65536};
  constexpr IntRange kStepsRange = {1, 1000};
  constexpr IntRange kTokensRange = {1, 512};
  defaults.width = optional_count(config, "width", kSizeRange);
  defaults.height = optional_count(config, "height", kSizeRange);
  defaults.steps = optional_count(config, "steps", kStepsRange);
  defaults.max_sequence_length = optional_count(config, "max_sequence_length", kTokensRange);
  if (config.has("guidance")) defaults.guidance = config.require_float("guidance");
  return defaults;
}

}  // namespace

fs::path ModelDir::component_dir(std::string_view component) const {
  if (!has(component)) {
    fail(ErrorCode::kNotFound, "the model ", root.string(), " has no component \"", component, "\"");
  }
  return root / component;
}

Config ModelDir::component_config(std::string_view component) const {
  return Config::load(component_dir(component) / (component == "scheduler" ? "scheduler_config.json" : "config.json"));
}

bool ModelDir::has_config(std::string_view component) const {
  return is_there(component_dir(component) / "config.json");
}

fs::path ModelDir::replaced_file(std::string_view component) const {
  for (const auto& [replaced_component, file] : replaced) {
    if (component_name(replaced_component) == component) return file;
  }
  return {};
}

std::vector<fs::path> ModelDir::component_places(std::string_view component) const {
  const fs::path directory = component_dir(component);
  const fs::path file = replaced_file(component);
  if (file.empty()) return {directory};
  if (!has_config(component)) return {file};
  return {file, directory / "config.json"};
}

WeightIndex ModelDir::component_weights(Component component) const {
  const std::string_view name = component_name(component);
  const fs::path file = replaced_file(name);
  if (!file.empty()) return canonical(WeightIndex(file.string(), {open_file(file)}), component);
  const bool encoder = component == Component::kClip || component == Component::kT5;
  return canonical(WeightIndex::open(component_dir(name), encoder ? kTransformersStem : kDiffusersStem), component);
}

ModelDir open_model_dir(const fs::path& root, const ReplacedWeights& replaced) {
  const fs::path index_path = root / "model_index.json";
  if (!is_there(index_path)) {
    fail(ErrorCode::kNotFound, root.string(), " is not a model directory: it has no model_index.json");
  }
  const Config index = Config::load(index_path);
  check_pipeline_class(index);
  ModelDir model{root, replaced, {}, read_defaults(root / "steadyflux.json")};
  for (const std::string& key : index.keys()) {
    if (key.starts_with('_')) continue;
    const auto component = read_component(index, key);
    if (!component) continue;
    check_component(index, key, *component);
    model.components.emplace(key, *component);
  }
  for (const PartRule& rule : part_rules()) {
    if (rule.needed && !model.has(rule.name)) {
      fail(ErrorCode::kNotFound, index.source(), " names no ", rule.name);
    }
    const bool used = model.has(rule.name) && !rule.classes.empty() && model.replaced_file(rule.name).empty();
    if (used && !is_there(root / rule.name)) {
      fail(ErrorCode::kNotFound, "the component ", (root / rule.name).string(), " is missing; ", index.source(),
           " names it");
    }
  }
  for (const auto& [component, file] : replaced) {
    if (model.has(component_name(component))) continue;
    fail(ErrorCode::kInvalidArgument, index.source(), " names no ", component_name(component), ", so ", file.string(),
         " cannot take its place");
  }
  return model;
}

}  // namespace steadyflux
