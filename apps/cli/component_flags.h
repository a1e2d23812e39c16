// The flags that put single files in the place of a model's components.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "format/dialect/dialect.h"

namespace steadyflux::cli {

// --transformer, --text-encoder, --text-encoder-2 and --vae; `set` is called with each that is given.
void add_component_flags(CLI::App& app, const std::function<void(Component, const std::string&)>& set);

}  // namespace steadyflux::cli
