// steadyflux bench decode: what whole and banded decodes of FLUX.1's autoencoder hold and take.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "bench_commands.h"
#include "bench_output.h"
#include "pipeline/bench/conv_probe.h"
#include "pipeline/bench/decode_bench.h"
#include "pipeline/bench/step_bench.h"
#include "progress.h"
#include "request_flags.h"

namespace steadyflux::cli {
namespace {

using bench::DecodeTiming;

struct DecodeFlags {
  RequestFlags request;
  std::vector<int> modes;
  int tile_px = 0;
  bool beside_library = false;
  int rounds = 3;
  bool json = false;
};

std::string name_of(const DecodeMode& mode) {
  if (mode.kind == DecodeMode::Kind::kWhole) return "whole";
  if (mode.kind == DecodeMode::Kind::kTiled) return "tiled " + std::to_string(mode.tile_px);
  return "banded " + std::to_string(mode.layers_bytes >> 20) + "M, " + std::to_string(mode.band_rows) + " rows";
}

// All that the planner would try, or whole and those of the given places in that list; or tiles.
std::vector<DecodeMode> chosen_modes(const DecodeFlags& flags, const bench::DecodeSetting& setting) {
  const std::vector<DecodeMode> all = decode_modes(setting.config, setting.activations, setting.height, setting.width);
  for (const int place : flags.modes) {
    if (place < 0 || static_cast<std::size_t>(place) >= all.size()) {
      fail(ErrorCode::kInvalidArgument, "--mode ", place, ": the planner's list has the places 0 to ", all.size() - 1);
    }
  }
  std::vector<DecodeMode> modes;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool asked = std::find(flags.modes.begin(), flags.modes.end(), static_cast<int>(i)) != flags.modes.end();
    if (i == 0 || flags.modes.empty() || asked) modes.push_back(all[i]);
  }
  if (flags.tile_px > 0) modes.push_back({.kind = DecodeMode::Kind::kTiled, .tile_px = flags.tile_px});
  return modes;
}

Json timing_json(const DecodeTiming& timing) {
  return {{"mode", name_of(timing.mode)},
          {"weights_bytes", timing.weights_bytes},
          {"arena_bytes", timing.arena_bytes},
          {"peak_process_bytes", timing.peak_process_bytes},
          {"flops", timing.flops},
          {"seconds", bench::median(timing.seconds)},
          {"relative_seconds", bench::median(timing.relative_seconds)},
          {"seconds_each", timing.seconds},
          {"same_picture", timing.same_picture}};
}

void print_table(const Json& json) {
  std::printf("%-24s %10s %12s %9s %9s %9s  %s\n", "mode", "arena MiB", "process MiB", "TFLOP", "seconds", "of whole",
              "picture");
  for (const Json& mode : json["modes"]) {
    std::printf("%-24s %10.1f %12.1f %9.2f %9.1f %9.3f  %s\n", mode["mode"].get<std::string>().c_str(),
                mode["arena_bytes"].get<double>() / 0x1p20, mode["peak_process_bytes"].get<double>() / 0x1p20,
                mode["flops"].get<double>() * 1e-12, mode["seconds"].get<double>(),
                mode["relative_seconds"].get<double>(), mode["same_picture"].get<bool>() ? "same" : "another");
  }
  if (json.contains("library_seconds")) {
    std::printf("the library's direct convolutions alone: %.1f s; the whole decode takes %.2f of that\n",
                json["library_seconds"].get<double>(), json["of_library"].get<double>());
  }
}

// Whole decodes over the library's convolutions, each pair of one round.
double ratio_to(const std::vector<double>& library_seconds, const DecodeTiming& whole) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < library_seconds.size(); ++i) ratios.push_back(whole.seconds[i] / library_seconds[i]);
  return bench::median(ratios);
}

int decode(const DecodeFlags& flags) {
  const EngineOptions& options = flags.request.engine_options();
  const Request& request = flags.request.request();
  const int threads = threads_or_available(options.threads);
  bench::refuse_auto_size(request);
  bench::DecodeSetting setting;
  setting.activations = activations_of(options);
  setting.width = request.width.value_or(1024);
  setting.height = request.height.value_or(1024);
  bench::check(setting);
  const auto backend = bench::processor_backend(threads);
  Progress progress(true);
  std::unique_ptr<bench::ConvProbe> library;
  std::vector<double> library_seconds;
  std::function<void()> beside;
  if (flags.beside_library) {
    library = std::make_unique<bench::ConvProbe>(bench::convs_of_decode(*backend, setting),
                                                 bench::product_dtype(setting.activations), threads);
    beside = [&] { library_seconds.push_back(library->run_round()); };
  }
  const std::vector<DecodeTiming> timings =
      bench::time_decode(*backend, setting, chosen_modes(flags, setting), flags.rounds, progress, beside);
  if (progress.cancelled()) {
    std::cerr << "interrupted\n";
    return kInterrupted;
  }
  Json json = {{"bench", "decode"},        {"width", setting.width},
               {"height", setting.height}, {"dtype", dtype_name(setting.activations)},
               {"threads", threads},       {"rounds", flags.rounds},
               {"modes", Json::array()}};
  for (const DecodeTiming& timing : timings) json["modes"].push_back(timing_json(timing));
  if (library) {
    json["library_seconds"] = library->total_seconds();
    json["of_library"] = ratio_to(library_seconds, timings[0]);
  }
  if (flags.json) {
    print(json);
  } else {
    print_table(json);
  }
  return kDone;
}

}  // namespace

Command add_bench_decode(CLI::App& bench) {
  auto flags = std::make_shared<DecodeFlags>();
  CLI::App& app = *bench.add_subcommand(
      "decode", "What FLUX.1's autoencoder holds and takes to decode a picture, whole and in bands");
  flags->request.add_size_flags(app);
  flags->request.add_compute_flags(app);
  app.add_option("--mode", flags->modes, "Beside the whole decode, only the mode of this place in the planner's list")
      ->take_all();
  app.add_option("--tile", flags->tile_px, "Also in tiles of this many pixels a side");
  app.add_flag(
      "--library", flags->beside_library,
      "Also the decode's convolutions by the matrix library alone, direct and in its own layouts; its operands "
      "count among the process's memory");
  app.add_option("--repeat", flags->rounds, "Rounds through the modes, of which medians are taken")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_flag("--json", flags->json, "As JSON");
  return [flags] { return decode(*flags); };
}

}  // namespace steadyflux::cli
