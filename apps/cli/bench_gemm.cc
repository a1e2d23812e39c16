// steadyflux bench gemm: the rate of the machine's matrix library on the shapes of a denoising step.
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "bench_commands.h"
#include "bench_output.h"
#include "pipeline/bench/gemm_probe.h"
#include "pipeline/bench/step_bench.h"
#include "request_flags.h"

namespace steadyflux::cli {
namespace {

using bench::GemmProbe;
using bench::GemmShape;

constexpr int kLeastRounds = 7;

struct GemmFlags {
  RequestFlags request;
  std::vector<std::string> shapes;
  int rounds = kLeastRounds;
  bool json = false;
};

// What is to be multiplied, in which type of activations.
struct GemmWork {
  std::vector<GemmShape> shapes;
  DType activations = DType::kF32;
};

GemmWork work_of_model(const GemmFlags& flags) {
  const EngineOptions& options = flags.request.engine_options();
  const OpenModel model = open_model(options);
  refuse_int8(options);
  const Job job = bench::make_step_job(model, options, flags.request.request(), 1);
  const auto backend = bench::processor_backend(1);
  return {bench::gemms_of(bench::trace_of_step(*backend, model, job)), job.activations};
}

GemmWork work_of_shapes(const GemmFlags& flags) {
  GemmWork work;
  for (const std::string& text : flags.shapes) work.shapes.push_back(parse_gemm_shape(text));
  work.activations = activations_of(flags.request.engine_options());
  return work;
}

int gemm(const GemmFlags& flags) {
  const GemmWork work = flags.shapes.empty() ? work_of_model(flags) : work_of_shapes(flags);
  const DType dtype = bench::product_dtype(work.activations);
  const int threads = threads_or_available(flags.request.engine_options().threads);
  GemmProbe probe(work.shapes, dtype, threads);
  for (int i = 0; i < flags.rounds; ++i) probe.run_round();

  const double seconds = probe.total_seconds();
  const double rate = gflops(probe.total_flops(), seconds);
  if (flags.json) {
    print(Json{{"bench", "gemm"},
               {"dtype", dtype_name(dtype)},
               {"threads", threads},
               {"rounds", flags.rounds},
               {"shapes", shapes_json(probe)},
               {"flops", probe.total_flops()},
               {"seconds", seconds},
               {"gflops", rate}});
    return kDone;
  }
  print_shapes(probe);
  std::printf("all: %.3f s, %.1f GFLOP/s in %s on %d threads, medians of %d rounds\n", seconds, rate,
              std::string(dtype_name(dtype)).c_str(), threads, flags.rounds);
  return kDone;
}

}  // namespace

Command add_bench_gemm(CLI::App& bench) {
  auto flags = std::make_shared<GemmFlags>();
  CLI::App& app = *bench.add_subcommand("gemm", "How fast oneDNN multiplies the matrices of a denoising step");
  flags->request.add_model_flags(app);
  flags->request.add_size_flags(app);
  flags->request.add_text_length_flag(app);
  app.add_option("--shape", flags->shapes, "Multiply MxNxK, or MxNxK*COUNT, instead; may be given several times")
      ->take_all()
      ->excludes("--model")
      ->excludes("--transformer")
      ->excludes("--text-encoder")
      ->excludes("--text-encoder-2")
      ->excludes("--vae")
      ->excludes("--size")
      ->excludes("--width")
      ->excludes("--height")
      ->excludes("--max-sequence-length");
  app.add_option("--repeat", flags->rounds, "Rounds, of which the median is taken")
      ->check(CLI::Range(kLeastRounds, 100'000))
      ->capture_default_str();
  app.add_flag("--json", flags->json, "As JSON");
  return [flags] { return gemm(*flags); };
}

}  // namespace steadyflux::cli
