// steadyflux bench stability: whether run N costs what run 1 cost.
#include <array>
#include <chrono>
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
#include "heap_count.h"
#include "pipeline/bench/stability.h"
#include "platform/process.h"
#include "platform/process_memory.h"
#include "progress.h"
#include "request_flags.h"

namespace steadyflux::cli {
namespace {

using bench::StabilityRun;
using Clock = std::chrono::steady_clock;

constexpr int kRuns = 20;
constexpr const char* kPrompt = "a red cube on a blue cylinder";

// Large enough for every thread, and some ten milliseconds on a small machine.
const bench::GemmShape kProbe = {512, 1024, 1024, 4};

struct StabilityFlags {
  RequestFlags request;
  int runs = kRuns;
  bool processes = false;
  bool json = false;
  bool quiet = false;
};

// Counters whose equality from run to run is the point.
struct Counter {
  const char* name;
  double (*value)(const StabilityRun&);
};

constexpr std::array kCounters = {
    Counter{"read_bytes", [](const StabilityRun& run) { return static_cast<double>(run.read_bytes); }},
    Counter{"flops", [](const StabilityRun& run) { return run.flops; }},
    Counter{"allocations", [](const StabilityRun& run) { return static_cast<double>(run.allocations); }},
    Counter{"minor_faults", [](const StabilityRun& run) { return static_cast<double>(run.minor_faults); }},
    Counter{"major_faults", [](const StabilityRun& run) { return static_cast<double>(run.major_faults); }}};

void add_planned_and_read(const Result& result, StabilityRun& run) {
  if (result.does_not_fit) fail(ErrorCode::kInvalidArgument, result.does_not_fit->to_text());
  if (result.shortage && result.images.empty()) fail(ErrorCode::kDoesNotFit, result.shortage->to_text());
  for (const PhaseReport& phase : result.phases) {
    run.read_bytes += phase.actual_read_bytes;
    run.flops += phase.flops;
  }
}

StabilityRun measure(Engine& engine, const Request& request, bench::GemmProbe& probe, Progress& progress) {
  StabilityRun run;
  run.probe_seconds = probe.run_round();
  const ProcessMemory before = process_memory();
  const std::uint64_t allocations = num_heap_allocations();
  const auto begin = Clock::now();
  {
    const Result result = engine.generate(request, &progress);
    run.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    add_planned_and_read(result, run);
  }
  run.allocations = num_heap_allocations() - allocations;
  const ProcessMemory after = process_memory();
  run.minor_faults = after.minor_faults - before.minor_faults;
  run.major_faults = after.major_faults - before.major_faults;
  run.process_bytes = after.charged_bytes();
  run.probe_seconds = (run.probe_seconds + probe.run_round()) / 2;
  return run;
}

std::unique_ptr<bench::GemmProbe> make_probe(const EngineOptions& options) {
  const int threads = threads_or_available(options.threads);
  return std::make_unique<bench::GemmProbe>(std::vector{kProbe}, DType::kF32, threads);
}

Request with_defaults(Request request) {
  if (request.prompts.empty() && request.embeds.empty()) request.prompts = {kPrompt};
  if (!request.seed) request.seed = 0;
  return request;
}

void tell(const StabilityFlags& flags, int index, const StabilityRun& run) {
  if (!flags.quiet) std::fprintf(stderr, "run %d of %d: %.2f s\n", index + 1, flags.runs, run.seconds);
}

std::vector<StabilityRun> run_in_one_process(const StabilityFlags& flags, const Request& request, Progress& progress) {
  const auto probe = make_probe(flags.request.engine_options());
  Engine engine = flags.request.open_engine();
  std::vector<StabilityRun> runs;
  runs.reserve(static_cast<std::size_t>(flags.runs));
  for (int i = 0; i < flags.runs && !progress.cancelled(); ++i) {
    runs.push_back(measure(engine, request, *probe, progress));
    tell(flags, i, runs.back());
  }
  return runs;
}

Json run_json(const StabilityRun& run) {
  return {{"seconds", run.seconds},           {"probe_seconds", run.probe_seconds},
          {"read_bytes", run.read_bytes},     {"flops", run.flops},
          {"allocations", run.allocations},   {"minor_faults", run.minor_faults},
          {"major_faults", run.major_faults}, {"process_bytes", run.process_bytes}};
}

StabilityRun run_of_json(const Json& json) {
  return {json["seconds"],     json["probe_seconds"], json["read_bytes"],   json["flops"],
          json["allocations"], json["minor_faults"],  json["major_faults"], json["process_bytes"]};
}

// Each process opens the model, makes one picture and ends.
std::vector<StabilityRun> run_in_processes(const StabilityFlags& flags, const Request& request, Progress& progress) {
  std::vector<StabilityRun> runs;
  for (int i = 0; i < flags.runs && !progress.cancelled(); ++i) {
    const std::string text = run_in_child([&] {
      const auto probe = make_probe(flags.request.engine_options());
      Engine engine = flags.request.open_engine();
      return run_json(measure(engine, request, *probe, progress)).dump();
    });
    runs.push_back(run_of_json(Json::parse(text)));
    tell(flags, i, runs.back());
  }
  return runs;
}

// All runs after the first of one process; every run of processes of their own.
std::span<const StabilityRun> settled(const StabilityFlags& flags, const std::vector<StabilityRun>& runs) {
  return std::span(runs).subspan(flags.processes ? 0 : 1);
}

Json figures_json(const StabilityFlags& flags, const std::vector<StabilityRun>& runs) {
  Json json = {{"bench", "stability"},
               {"model", flags.request.engine_options().model},
               {"device", flags.request.engine_options().device},
               {"ram_bytes", flags.request.engine_options().ram_bytes},
               {"processes", flags.processes},
               {"runs", Json::array()}};
  for (const StabilityRun& run : runs) json["runs"].push_back(run_json(run));
  const auto later = settled(flags, runs);
  for (const Counter& counter : kCounters) {
    const bool same = std::all_of(later.begin(), later.end(), [&](const StabilityRun& run) {
      return counter.value(run) == counter.value(later[0]);
    });
    json["identical"][counter.name] = same;
  }
  std::vector<std::uint64_t> bytes;
  for (const StabilityRun& run : later) bytes.push_back(run.process_bytes);
  json["process_bytes_span"] = bench::span_of(bytes);
  const std::vector<double> seconds = bench::normalised_seconds(runs);
  json["normalised_seconds"] = seconds;
  json["slope_percent_per_run"] = bench::theil_sen_percent(seconds);
  json["last_to_first"] = bench::last_to_first(seconds);
  return json;
}

void print_text(const Json& json) {
  std::printf("%4s %9s %9s %10s %9s %11s %12s %12s %13s\n", "run", "seconds", "at equal", "MiB read", "GFLOP",
              "allocations", "minor faults", "major faults", "process MiB");
  std::size_t i = 0;
  for (const Json& run : json["runs"]) {
    std::printf("%4zu %9.3f %9.3f %10.1f %9.1f %11lu %12lu %12lu %13.2f\n", i + 1, run["seconds"].get<double>(),
                json["normalised_seconds"][i].get<double>(), run["read_bytes"].get<double>() / (1 << 20),
                run["flops"].get<double>() * 1e-9, run["allocations"].get<unsigned long>(),
                run["minor_faults"].get<unsigned long>(), run["major_faults"].get<unsigned long>(),
                run["process_bytes"].get<double>() / (1 << 20));
    ++i;
  }
  std::printf("\nslope (Theil-Sen): %+.3f %% a run; median of the last five runs: %.3f of the first five\n",
              json["slope_percent_per_run"].get<double>(), json["last_to_first"].get<double>());
  for (const auto& [name, same] : json["identical"].items()) {
    std::printf("%s: %s\n", name.c_str(), same.get<bool>() ? "identical" : "not identical");
  }
  std::printf("process bytes: within %s\n", format_bytes(json["process_bytes_span"].get<std::uint64_t>()).c_str());
}

int stability(const StabilityFlags& flags) {
  const Request request = with_defaults(flags.request.request());
  // Progress within a run would allocate as its words happen to be, and be counted.
  Progress progress(true);
  const std::vector<StabilityRun> runs =
      flags.processes ? run_in_processes(flags, request, progress) : run_in_one_process(flags, request, progress);
  if (progress.cancelled()) {
    std::cerr << "interrupted\n";
    return kInterrupted;
  }
  const Json json = figures_json(flags, runs);
  if (flags.json) {
    print(json);
  } else {
    print_text(json);
  }
  return kDone;
}

}  // namespace

Command add_bench_stability(CLI::App& bench) {
  auto flags = std::make_shared<StabilityFlags>();
  CLI::App& app = *bench.add_subcommand("stability", "The same picture again and again: what each run costs");
  flags->request.add_model_flags(app);
  flags->request.add_budget_flag(app);
  flags->request.add_device_flags(app);
  flags->request.add_prompt_flags(app);
  flags->request.add_image_flags(app);
  app.add_option("--runs", flags->runs, "How many")->check(CLI::Range(3, 100'000))->capture_default_str();
  app.add_flag("--processes", flags->processes, "Each run in a process of its own");
  app.add_flag("--json", flags->json, "As JSON");
  app.add_flag("--quiet", flags->quiet, "No progress on stderr");
  return [flags] { return stability(*flags); };
}

}  // namespace steadyflux::cli
