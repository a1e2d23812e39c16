// The flags that describe a model and a request, shared by generate, encode and plan.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <string>

#include "steadyflux/steadyflux.h"

namespace steadyflux::cli {

// Where doctor keeps what it measured; empty when the environment names no home.
std::filesystem::path rates_path();

// For CLI11: what is wrong with the name of a device; empty if nothing is.
std::string check_device(const std::string& text);

// A size above nothing. Throws CLI::ValidationError that names the flag, or Error(kInvalidArgument).
std::uint64_t parse_fixed_budget(const std::string& flag, const std::string& text);

// Holds what the flags were set to. The CLI::App that it was added to writes into it while parsing.
class RequestFlags {
 public:
  RequestFlags() { engine_.rates = rates_path(); }

  void add_model_flags(CLI::App& app);
  void add_budget_flag(CLI::App& app);
  void add_device_flags(CLI::App& app);
  // The first of them alone.
  void add_device_flag(CLI::App& app);
  void add_prompt_flags(CLI::App& app);
  // For commands that compute prompts; without this flag there is no cache.
  void add_cache_flag(CLI::App& app);
  void add_image_flags(CLI::App& app);
  // Parts of the two above, for commands that take no more.
  void add_text_length_flag(CLI::App& app);
  void add_size_flags(CLI::App& app);
  void add_max_size_flag(CLI::App& app);
  void add_sampling_flags(CLI::App& app);
  void add_compute_flags(CLI::App& app);

  // For commands that make pictures. Throws Error(kInvalidArgument) for encoders that nothing is encoded with, and what
  // Engine::open throws.
  Engine open_engine() const;

  const EngineOptions& engine_options() const { return engine_; }
  const Request& request() const { return request_; }

 private:
  EngineOptions engine_;
  Request request_;
};

}  // namespace steadyflux::cli
