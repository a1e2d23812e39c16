// steadyflux bench stream: from disk through memory to the processor, and what of the possible rate arrives.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "bench_commands.h"
#include "bench_output.h"
#include "pipeline/bench/step_bench.h"
#include "pipeline/bench/stream_bench.h"
#include "pipeline/fit.h"
#include "pipeline/overhead.h"
#include "pipeline/phases.h"
#include "pipeline/planner.h"
#include "progress.h"
#include "request_flags.h"

namespace steadyflux::cli {
namespace {

using bench::StreamFigures;
using bench::StreamRound;

constexpr int kRounds = 7;

struct StreamFlags {
  RequestFlags request;
  int count = 1;
  int rounds = kRounds;
  bool json = false;
  bool quiet = false;
};

// The residency of the transformer's blocks within the budget, or that which holds least.
Residency choose(const OpenModel& model, const EngineOptions& options, Backend& backend, const Job& job, int threads) {
  const auto& groups = model.denoise_part.groups;
  if (options.ram_bytes == 0) return *choose_residency(groups, smallest_weights_bytes(groups));
  const PhaseChoice choice = {.window = num_items(Phase::kDenoise, job)};
  std::vector<StagePlan> stages = measure_phase(backend, model, job, Phase::kDenoise, choice);
  if (const auto needed = fit_stages(stages, {overhead_bytes(threads), 0}, {options.ram_bytes, 0})) {
    const BytesApart bytes = format_apart(needed->ram_bytes, options.ram_bytes);
    fail(ErrorCode::kInvalidArgument, "denoising does not fit a budget of ", bytes.second, "; it needs ", bytes.first);
  }
  return stages.at(0).residency;
}

std::vector<double> each(const StreamFigures& figures, double (*value)(const StreamFigures&, const StreamRound&)) {
  std::vector<double> values;
  for (const StreamRound& round : figures.rounds) values.push_back(value(figures, round));
  return values;
}

// The value of every round and their median, which is not that of the medians of its parts.
void add_figure(Json& json, const char* name, const std::vector<double>& values) {
  json[name] = bench::median(values);
  json[std::string(name) + "_each"] = values;
}

void add_figures(Json& json, const StreamFigures& figures) {
  json["pass_bytes"] = figures.pass_bytes;
  const auto add = [&](const char* name, double (*value)(const StreamFigures&, const StreamRound&)) {
    add_figure(json, name, each(figures, value));
  };
  add("disk_bytes_per_second", [](const StreamFigures&, const StreamRound& r) { return r.disk_bytes_per_second; });
  add("stream_bytes_per_second", [](const StreamFigures&, const StreamRound& r) { return r.stream_bytes_per_second; });
  add("stream_share_of_disk",
      [](const StreamFigures&, const StreamRound& r) { return r.stream_bytes_per_second / r.disk_bytes_per_second; });
  add("read_seconds", [](const StreamFigures& f, const StreamRound& r) { return f.read_seconds(r); });
  add("resident_seconds", [](const StreamFigures&, const StreamRound& r) { return r.resident_seconds; });
  add("streamed_seconds", [](const StreamFigures&, const StreamRound& r) { return r.streamed_seconds; });
  add("streamed_to_resident",
      [](const StreamFigures&, const StreamRound& r) { return r.streamed_seconds / r.resident_seconds; });
  add("share_of_bound", [](const StreamFigures& f, const StreamRound& r) {
    return std::max(f.read_seconds(r), r.resident_seconds) / r.streamed_seconds;
  });
  const bool reads = json["read_seconds"].get<double>() > json["resident_seconds"].get<double>();
  json["bound_by"] = reads ? "reading" : "computing";
}

void print_text(const Json& json) {
  const auto line = [&](const char* text, const char* name, double unit, const char* unit_name) {
    const Json& values = json[std::string(name) + "_each"];
    const auto [least, most] = std::minmax_element(values.begin(), values.end());
    std::printf("%-46s %8.3f %-5s (%.3f to %.3f)\n", text, json[name].get<double>() * unit, unit_name,
                least->get<double>() * unit, most->get<double>() * unit);
  };
  std::printf("%s read on every pass, bound by %s; medians of %d rounds:\n",
              format_bytes(json["pass_bytes"].get<std::uint64_t>()).c_str(),
              json["bound_by"].get<std::string>().c_str(), json["rounds"].get<int>());
  line("disk, the files themselves", "disk_bytes_per_second", 1e-9, "GB/s");
  line("disk to memory, group by group", "stream_bytes_per_second", 1e-9, "GB/s");
  line("  of the disk's rate", "stream_share_of_disk", 100, "%");
  line("reading a pass at the disk's rate", "read_seconds", 1, "s");
  line("step, everything in memory", "resident_seconds", 1, "s");
  line("step, streamed", "streamed_seconds", 1, "s");
  line("  streamed / in memory", "streamed_to_resident", 1, "");
  line("  bound (longer of reading, computing) / streamed", "share_of_bound", 100, "%");
}

int stream(const StreamFlags& flags) {
  const EngineOptions& options = flags.request.engine_options();
  const int threads = threads_or_available(options.threads);
  const OpenModel model = open_model(options);
  Request request = flags.request.request();
  request.count = flags.count;
  const Job job = bench::make_step_job(model, options, request, bench::stream_steps(flags.rounds));
  const auto backend = bench::processor_backend(threads);
  const Residency residency = choose(model, options, *backend, job, threads);
  if (residency.all_resident()) {
    fail(ErrorCode::kInvalidArgument, "nothing is streamed: everything fits; give a smaller --ram, or none");
  }
  Progress progress(flags.quiet);
  const StreamFigures figures = bench::time_streaming(*backend, model, job, residency, progress);
  progress.finish_line();
  if (progress.cancelled()) {
    std::cerr << "interrupted\n";
    return kInterrupted;
  }
  Json json = {{"bench", "stream"},
               {"model", model.name},
               {"width", job.width},
               {"height", job.height},
               {"images", job.num_images()},
               {"txt_tokens", job.max_sequence_length},
               {"img_tokens", job.latent.num_tokens()},
               {"dtype", dtype_name(job.activations)},
               {"threads", threads},
               {"ram_bytes", options.ram_bytes},
               {"rounds", figures.rounds.size()}};
  add_figures(json, figures);
  if (flags.json) {
    print(json);
  } else {
    print_text(json);
  }
  return kDone;
}

}  // namespace

Command add_bench_stream(CLI::App& bench) {
  auto flags = std::make_shared<StreamFlags>();
  CLI::App& app = *bench.add_subcommand(
      "stream", "How fast weights come from disk, and what a step that streams them takes beside one that does not");
  flags->request.add_model_flags(app);
  flags->request.add_budget_flag(app);
  flags->request.add_size_flags(app);
  flags->request.add_text_length_flag(app);
  app.add_option("--count", flags->count, "Images that share every pass over the weights")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--repeat", flags->rounds, "Rounds, of which the median is taken")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_flag("--json", flags->json, "As JSON");
  app.add_flag("--quiet", flags->quiet, "No progress on stderr");
  return [flags] { return stream(*flags); };
}

}  // namespace steadyflux::cli
