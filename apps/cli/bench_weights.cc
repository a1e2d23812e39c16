// steadyflux bench weights: what a linear layer takes with weights of each type.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "bench_commands.h"
#include "bench_output.h"
#include "pipeline/bench/step_bench.h"
#include "pipeline/bench/weights_bench.h"
#include "request_flags.h"

namespace steadyflux::cli {
namespace {

using bench::WeightsBench;

struct WeightsFlags {
  RequestFlags request;
  std::string shape = "1280x3072x3072";
  std::vector<std::string> types;
  int rounds = 7;
  bool json = false;
};

std::string names_of(const std::vector<DType>& types) {
  std::string names;
  for (const DType type : types) names += (names.empty() ? "" : ", ") + std::string(dtype_name(type));
  return names;
}

// bf16 first: the others are compared with it.
std::vector<DType> types_of(const WeightsFlags& flags) {
  std::vector<DType> types = {DType::kBF16};
  const std::vector<DType> known = bench::weight_types();
  for (const std::string& name : flags.types) {
    const std::optional<DType> type = parse_dtype(name);
    if (!type || std::find(known.begin(), known.end(), *type) == known.end()) {
      fail(ErrorCode::kInvalidArgument, "'", name, "' is no type of weights; there are ", names_of(known));
    }
    if (std::find(types.begin(), types.end(), *type) == types.end()) types.push_back(*type);
  }
  if (!flags.types.empty()) return types;
  for (const DType type : known) {
    if (type != DType::kBF16) types.push_back(type);
  }
  return types;
}

Json result_of(const WeightsBench& weights, std::size_t index) {
  const bench::GemmShape& shape = weights.shape();
  const double extra = weights.seconds(index) - weights.seconds(0);
  return {{"dtype", dtype_name(weights.types()[index])},
          {"seconds", weights.seconds(index)},
          {"gflops", gflops(shape.flops(), weights.seconds(index))},
          {"of_bf16", weights.ratio(index)},
          {"extra_ns_per_weight", extra * 1e9 / static_cast<double>(shape.n * shape.k)}};
}

int weights(const WeightsFlags& flags) {
  const EngineOptions& options = flags.request.engine_options();
  const int threads = threads_or_available(options.threads);
  const DType activations = activations_of(options);
  const auto backend = bench::processor_backend(threads);
  const bench::GemmShape asked = parse_gemm_shape(flags.shape);
  if (asked.count != 1) fail(ErrorCode::kInvalidArgument, "'", flags.shape, "': one layer is timed; write MxNxK");
  WeightsBench weights(*backend, asked, activations, types_of(flags));
  for (int i = 0; i < flags.rounds; ++i) weights.run_round();

  const bench::GemmShape& shape = weights.shape();
  Json json = {{"bench", "weights"},
               {"m", shape.m},
               {"n", shape.n},
               {"k", shape.k},
               {"threads", threads},
               {"rounds", flags.rounds},
               {"activations", dtype_name(activations)},
               {"types", Json::array()}};
  for (std::size_t i = 0; i < weights.types().size(); ++i) json["types"].push_back(result_of(weights, i));
  if (flags.json) {
    print(json);
    return kDone;
  }
  std::printf("%-8s %10s %9s %8s %14s\n", "weights", "ms", "GFLOP/s", "of bf16", "+ns a weight");
  for (const Json& type : json["types"]) {
    std::printf("%-8s %10.2f %9.1f %8.3f %14.3f\n", type["dtype"].get<std::string>().c_str(),
                type["seconds"].get<double>() * 1e3, type["gflops"].get<double>(), type["of_bf16"].get<double>(),
                type["extra_ns_per_weight"].get<double>());
  }
  return kDone;
}

}  // namespace

Command add_bench_weights(CLI::App& bench) {
  auto flags = std::make_shared<WeightsFlags>();
  CLI::App& app = *bench.add_subcommand("weights", "What a linear layer takes with weights of each type");
  flags->request.add_compute_flags(app);
  app.add_option("--shape", flags->shape, "Rows x outputs x inputs, as MxNxK")->capture_default_str();
  app.add_option("--type", flags->types, "Beside bf16, only this type; may be given several times")->take_all();
  app.add_option("--repeat", flags->rounds, "Rounds through the types, of which medians are taken")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_flag("--json", flags->json, "As JSON");
  return [flags] { return weights(*flags); };
}

}  // namespace steadyflux::cli
