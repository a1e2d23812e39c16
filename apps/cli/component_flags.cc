#include "component_flags.h"

namespace steadyflux::cli {

void add_component_flags(CLI::App& app, const std::function<void(Component, const std::string&)>& set) {
  const auto add = [&](const char* flag, Component component, const std::string& what) {
    app.add_option_function<std::string>(
        flag,
        [set, component, flag](const std::string& file) {
          if (file.empty()) throw CLI::ValidationError(flag, "an empty name is no file");
          set(component, file);
        },
        what + ", from this safetensors or GGUF file in place of the model's");
  };
  add("--transformer", Component::kTransformer, "The transformer");
  add("--text-encoder", Component::kClip, "CLIP");
  add("--text-encoder-2", Component::kT5, "T5");
  add("--vae", Component::kAutoencoder, "The autoencoder");
}

}  // namespace steadyflux::cli
