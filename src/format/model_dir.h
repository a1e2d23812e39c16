// A model on disk in the diffusers layout: one directory a component, model_index.json to name them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "format/config.h"
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

// Paths and names alone; opens nothing by itself. Immutable once built.
struct ModelDir {
  std::filesystem::path root;
  std::map<std::string, ComponentClass, std::less<>> components;  // those of model_index.json that are not null
  ModelDefaults defaults;

  bool has(std::string_view component) const { return components.contains(component); }

  // The directory of a component. Throws Error(kNotFound) when the model does not have it.
  std::filesystem::path component_dir(std::string_view component) const;

  // The component's config.json (the scheduler's scheduler_config.json).
  Config component_config(std::string_view component) const;

  // The component's weights.
  WeightIndex component_weights(std::string_view component) const;
};

// Reads model_index.json and steadyflux.json. Needed: transformer, vae, scheduler; encoders and tokenizers may be null.
// Throws Error: kNotFound without model_index.json, a needed component or its directory; kInvalidFile when a file is
// not what it should be; kUnsupported naming the class when the pipeline is not FluxPipeline or a component is of a
// class that this engine does not run.
ModelDir open_model_dir(const std::filesystem::path& root);

}  // namespace steadyflux
