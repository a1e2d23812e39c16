// A model on disk in the diffusers layout: one directory a component, model_index.json to name them. The weights of
// single components may come from files elsewhere.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/config.h"
#include "format/dialect/dialect.h"
#include "format/weight_index.h"

namespace steadyflux {

struct ComponentClass {
  std::string library;
  std::string class_name;
};

// What the optional steadyflux.json beside model_index.json states; absent values follow from the model.
struct ModelDefaults {
  std::optional<int> width;   // pixels
  std::optional<int> height;  // pixels
  std::optional<int> steps;
  std::optional<double> guidance;
  std::optional<int> max_sequence_length;  // tokens of the T5 prompt
};

// Single files, safetensors or GGUF in any dialect, whose weights are taken in place of those in the model's directory.
using ReplacedWeights = std::map<Component, std::filesystem::path>;

// Paths and names alone; opens nothing by itself. Immutable once built.
struct ModelDir {
  std::filesystem::path root;
  ReplacedWeights replaced = {};
  std::map<std::string, ComponentClass, std::less<>> components;  // those of model_index.json that are not null
  ModelDefaults defaults = {};

  bool has(std::string_view component) const { return components.contains(component); }

  // The directory of a component. Throws Error(kNotFound) when the model does not have it.
  std::filesystem::path component_dir(std::string_view component) const;

  // The component's config.json (the scheduler's scheduler_config.json).
  Config component_config(std::string_view component) const;

  // Whether it has one: a component whose weights come from elsewhere may do without.
  bool has_config(std::string_view component) const;

  // The file that the component's weights come from, if not from its directory; otherwise empty.
  std::filesystem::path replaced_file(std::string_view component) const;

  // Where everything lies that says what the component computes: its directory, or a file and config.json.
  std::vector<std::filesystem::path> component_places(std::string_view component) const;

  // The component's weights under canonical names.
  WeightIndex component_weights(Component component) const;
};

// Reads model_index.json and steadyflux.json. Needed: transformer, vae, scheduler; encoders and tokenizers may be null.
// Throws Error: kNotFound without model_index.json, a needed component or its directory; kInvalidFile when a file is
// not what it should be; kUnsupported naming the class when the pipeline is not FluxPipeline or a component is of a
// class that this engine does not run. A component whose weights are replaced must be named, but need not be there.
ModelDir open_model_dir(const std::filesystem::path& root, const ReplacedWeights& replaced = {});

}  // namespace steadyflux
