// steadyflux bench step: seconds of a denoising step; on the processor beside the rate of its matrix library.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "bench_commands.h"
#include "bench_output.h"
#include "pipeline/bench/step_bench.h"
#include "pipeline/make_backend.h"
#include "platform/system_memory.h"
#include "progress.h"
#include "request_flags.h"

namespace steadyflux::cli {
namespace {

using bench::GemmProbe;
using bench::StepRound;

constexpr int kLeastSteps = 7;

struct StepFlags {
  RequestFlags request;
  int steps = kLeastSteps;
  bool json = false;
  bool quiet = false;
};

double flops_of(const Trace& trace, std::string_view op) {
  for (const OpTotal& total : trace.ops) {
    if (total.name == op) return total.cost.flops;
  }
  return 0;
}

Json ops_json(const Trace& trace) {
  Json ops = Json::array();
  for (const OpTotal& op : trace.ops) {
    ops.push_back({{"name", op.name}, {"count", op.count}, {"flops", op.cost.flops}, {"bytes", op.cost.bytes}});
  }
  return ops;
}

// What the step's linear layers and attention would take at the library's rate, in the library's seconds for the
// linear layers alone.
double ideal_seconds(double gemm_seconds, double linear_flops, double attention_flops) {
  return gemm_seconds * (1 + attention_flops / linear_flops);
}

// Seconds that the operations of a class take in a step: the median.
double class_seconds(const std::vector<StepRound>& rounds, ops::OpClass op_class) {
  std::vector<double> seconds;
  for (const StepRound& round : rounds) seconds.push_back(round.profile.of(op_class).seconds);
  return bench::median(seconds);
}

// What the step spends on each class of operations; of those that multiply, what it would at the library's rate, if
// that was measured.
Json classes_json(const std::vector<StepRound>& rounds, std::optional<double> gemm_flops_per_second) {
  Json classes = Json::array();
  for (std::size_t i = 0; i < ops::kNumOpClasses; ++i) {
    const auto op_class = static_cast<ops::OpClass>(i);
    const ClassProfile& ran = rounds.back().profile.of(op_class);
    if (ran.calls == 0) continue;
    const double seconds = class_seconds(rounds, op_class);
    Json json = {{"name", ops::op_class_name(op_class)},
                 {"calls", ran.calls},
                 {"flops", ran.cost.flops},
                 {"bytes", ran.cost.bytes},
                 {"seconds", seconds},
                 {"gflops", gflops(ran.cost.flops, seconds)}};
    if (op_class <= ops::OpClass::kConvolution && gemm_flops_per_second) {
      json["seconds_at_gemm_rate"] = ran.cost.flops / *gemm_flops_per_second;
      json["share"] = ran.cost.flops / *gemm_flops_per_second / seconds;
    }
    classes.push_back(std::move(json));
  }
  return classes;
}

double linear_flops(const Trace& trace) { return flops_of(trace, "linear_many") + flops_of(trace, kInt8Linear); }

Json figures_json(const Trace& trace, const std::vector<StepRound>& rounds) {
  const double linear = linear_flops(trace);
  const double attention = flops_of(trace, "attention");
  std::vector<double> steps;
  for (const StepRound& round : rounds) steps.push_back(round.step_seconds);
  const double step = bench::median(steps);
  return {{"step_seconds", step},       {"gflops", gflops(linear + attention, step)},
          {"linear_flops", linear},     {"attention_flops", attention},
          {"step_seconds_each", steps}, {"classes", classes_json(rounds, std::nullopt)},
          {"ops", ops_json(trace)}};
}

// The same beside the library's rate.
Json compared_json(const Trace& trace, const std::vector<StepRound>& rounds) {
  Json json = figures_json(trace, rounds);
  const double linear = linear_flops(trace);
  const double attention = flops_of(trace, "attention");
  std::vector<double> gemms;
  std::vector<double> shares;
  for (const StepRound& round : rounds) {
    gemms.push_back(round.gemm_seconds);
    shares.push_back(ideal_seconds(round.gemm_seconds, linear, attention) / round.step_seconds);
  }
  const double gemm = bench::median(gemms);
  json["gemm_seconds"] = gemm;
  json["gemm_gflops"] = gflops(linear, gemm);
  json["attention_seconds_at_gemm_rate"] = ideal_seconds(gemm, linear, attention) - gemm;
  json["share"] = ideal_seconds(gemm, linear, attention) / json["step_seconds"].get<double>();
  json["gemm_seconds_each"] = gemms;
  json["share_each"] = shares;
  json["classes"] = classes_json(rounds, linear / gemm);
  return json;
}

void print_classes(const Json& json) {
  std::printf("\n%-16s %7s %10s %12s %10s", "class", "calls", "GFLOP", "seconds", "GFLOP/s");
  std::printf("%s\n", json.contains("share") ? " s at GEMM rate    share" : "");
  double sum = 0;
  for (const Json& each : json["classes"]) {
    const double seconds = each["seconds"].get<double>();
    sum += seconds;
    std::printf("%-16s %7ld %10.2f %12.4f", each["name"].get<std::string>().c_str(), each["calls"].get<long>(),
                each["flops"].get<double>() * 1e-9, seconds);
    if (each["flops"].get<double>() > 0) std::printf(" %10.1f", each["gflops"].get<double>());
    if (each.contains("share")) {
      std::printf(" %14.4f %6.1f %%", each["seconds_at_gemm_rate"].get<double>(), each["share"].get<double>() * 100);
    }
    std::printf("\n");
  }
  std::printf("%-16s %31.4f\n", "between them", json["step_seconds"].get<double>() - sum);
}

void print_ops(const Json& json) {
  std::printf("%-16s %7s %12s %10s\n", "operation", "count", "GFLOP", "GB");
  for (const Json& op : json["ops"]) {
    std::printf("%-16s %7ld %12.2f %10.3f\n", op["name"].get<std::string>().c_str(), op["count"].get<long>(),
                op["flops"].get<double>() * 1e-9, op["bytes"].get<double>() * 1e-9);
  }
}

void print_step(const Json& json) {
  std::printf("\nstep: %.3f s (median of %zu), %.1f GFLOP/s\n", json["step_seconds"].get<double>(),
              json["step_seconds_each"].size(), json["gflops"].get<double>());
}

void print_comparison(const Json& json) {
  const auto [least, most] = std::minmax_element(json["share_each"].begin(), json["share_each"].end());
  std::printf("its linear layers by oneDNN: %.3f s, %.1f GFLOP/s\n", json["gemm_seconds"].get<double>(),
              json["gemm_gflops"].get<double>());
  std::printf("with attention at that rate: %.1f %% of the step (%.1f to %.1f, step by step)\n",
              json["share"].get<double>() * 100, least->get<double>() * 100, most->get<double>() * 100);
}

// `probe`: null where the step ran on a device of its own.
void print_table(const Json& json, const GemmProbe* probe) {
  print_ops(json);
  if (probe != nullptr) {
    std::printf("\noneDNN alone, %s:\n", json["gemm_dtype"].get<std::string>().c_str());
    print_shapes(*probe);
  }
  print_classes(json);
  print_step(json);
  if (probe != nullptr) print_comparison(json);
}

int step(const StepFlags& flags) {
  const EngineOptions& options = flags.request.engine_options();
  const int threads = threads_or_available(options.threads);
  const OpenModel model = open_model(options);
  const Job job = bench::make_step_job(model, options, flags.request.request(), flags.steps + 1);
  const auto backend = make_backend(options, SystemFigures().memory());
  const Trace trace = bench::trace_of_step(*backend, model, job);
  const DType gemm_dtype = bench::product_dtype(job.activations);
  // The processor's library says nothing about a device.
  std::optional<GemmProbe> probe;
  if (!backend->is_discrete()) probe.emplace(bench::gemms_of(trace), gemm_dtype, threads);
  GemmProbe* const asked = probe ? &*probe : nullptr;
  Progress progress(flags.quiet);
  const std::vector<StepRound> rounds = bench::time_steps(*backend, model, job, asked, progress);
  progress.finish_line();
  if (progress.cancelled()) {
    std::cerr << "interrupted\n";
    return kInterrupted;
  }
  Json json = {{"bench", "step"},
               {"model", model.name},
               {"width", job.width},
               {"height", job.height},
               {"txt_tokens", job.max_sequence_length},
               {"img_tokens", job.latent.num_tokens()},
               {"dtype", dtype_name(job.activations)},
               {"device", backend->name()},
               {"threads", threads}};
  if (probe) json["gemm_dtype"] = dtype_name(gemm_dtype);
  json.update(probe ? compared_json(trace, rounds) : figures_json(trace, rounds));
  if (probe) json["shapes"] = shapes_json(*probe);
  if (flags.json) {
    print(json);
  } else {
    print_table(json, asked);
  }
  return kDone;
}

}  // namespace

Command add_bench_step(CLI::App& bench) {
  auto flags = std::make_shared<StepFlags>();
  CLI::App& app = *bench.add_subcommand(
      "step", "How long a denoising step takes; on the processor also what oneDNN alone would take");
  flags->request.add_model_flags(app);
  flags->request.add_device_flag(app);
  flags->request.add_size_flags(app);
  flags->request.add_text_length_flag(app);
  app.add_option("--repeat", flags->steps, "Steps, after one that warms up, of which the median is taken")
      ->check(CLI::Range(kLeastSteps, 10'000))
      ->capture_default_str();
  app.add_flag("--json", flags->json, "As JSON");
  app.add_flag("--quiet", flags->quiet, "No progress on stderr");
  return [flags] { return step(*flags); };
}

}  // namespace steadyflux::cli
