// steadyflux bench make-checkpoint: a model directory with made-up weights.
#include <cstdio>
#include <map>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "bench_commands.h"
#include "pipeline/bench/synthetic_checkpoint.h"
#include "platform/interrupt.h"

namespace steadyflux::cli {
namespace {

using bench::SyntheticCheckpoint;
using bench::SyntheticOptions;

constexpr std::int64_t kMaxLayers = 4096;
constexpr std::uint64_t kReportedBytes = std::uint64_t{1} << 30;  // between two lines of progress

const std::map<std::string, DType> kDTypes = {{"bf16", DType::kBF16}, {"f32", DType::kF32}, {"f16", DType::kF16}};

int make_checkpoint(const SyntheticOptions& options) {
  const SyntheticCheckpoint checkpoint = plan_synthetic_checkpoint(options);
  const std::string total = format_bytes(checkpoint.weights_bytes);
  std::fprintf(stderr, "writing %s of weights to %s\n", total.c_str(), checkpoint.out.c_str());
  const InterruptGuard interrupt;
  std::uint64_t next_report = kReportedBytes;
  const bool finished = write_synthetic_checkpoint(checkpoint, [&](std::uint64_t written_bytes) {
    if (written_bytes >= next_report) {
      std::fprintf(stderr, "%s of %s\n", format_bytes(written_bytes).c_str(), total.c_str());
      next_report += kReportedBytes;
    }
    return !interrupt.interrupted();
  });
  if (!finished) {
    std::fprintf(stderr, "interrupted; what is in %s is no complete model\n", checkpoint.out.c_str());
    return kInterrupted;
  }
  std::printf("%s\n", checkpoint.out.c_str());
  return kDone;
}

}  // namespace

Command add_bench_make_checkpoint(CLI::App& bench) {
  auto options = std::make_shared<SyntheticOptions>();
  CLI::App& app =
      *bench.add_subcommand("make-checkpoint", "Write a model with made-up weights, of real widths and any depth");
  app.add_option("--like", options->like, "Model directory to imitate; its weights are not needed")->required();
  app.add_option("--out", options->out, "New directory")->required();
  const auto add_layers = [&app](const char* name, std::optional<std::int64_t>& layers, int least, const char* what) {
    app.add_option(name, layers, std::string(what) + "; as many as the model has, if absent")
        ->check(CLI::Range(std::int64_t{least}, kMaxLayers));
  };
  add_layers("--double", options->double_blocks, 0, "Double blocks of the transformer");
  add_layers("--single", options->single_blocks, 0, "Single blocks of the transformer");
  add_layers("--t5-layers", options->t5_layers, 1, "Layers of the T5 encoder");
  add_layers("--clip-layers", options->clip_layers, 1, "Layers of the CLIP encoder");
  app.add_option("--dtype", options->dtype, "Type of the weights: bf16 (if absent), f32, f16")
      ->transform(CLI::CheckedTransformer(kDTypes));
  app.add_option_function<std::string>(
      "--shard-size", [options](const std::string& text) { options->shard_bytes = parse_bytes(text); },
      "The most bytes of tensors in a file, for example 500M; as published, if absent");
  app.add_option("--seed", options->seed, "Of the made-up values")->capture_default_str();
  return [options] { return make_checkpoint(*options); };
}

}  // namespace steadyflux::cli
