// steadyflux ladder: how large the pictures can get within a budget, found by making them.
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/error.h"
#include "commands.h"
#include "progress.h"
#include "request_flags.h"

namespace steadyflux::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFirstSide = 512;

struct LadderFlags {
  RequestFlags request;
  bool json = false;
  bool quiet = false;
};

// Usual sizes from 512×512 on, to the largest that is allowed.
std::vector<ImageSize> list_rungs(const ImageSize& max) {
  std::vector<ImageSize> rungs = usual_sizes(max);
  std::erase_if(rungs, [](const ImageSize& size) { return size.width * size.height < kFirstSide * kFirstSide; });
  if (rungs.empty()) {
    fail(ErrorCode::kInvalidArgument, "the ladder begins at 512x512, which is not within --max-size ", max.width, "x",
         max.height);
  }
  return rungs;
}

double mib(std::uint64_t bytes) { return static_cast<double>(bytes) / (1024.0 * 1024.0); }

Json rung_json(const ImageSize& size, const Plan& plan, const Result& result) {
  std::uint64_t measured = 0;
  double seconds = 0;
  for (const PhaseReport& phase : result.phases) {
    measured = std::max(measured, phase.actual_peak_bytes);
    seconds += phase.seconds;
  }
  std::vector<double> steps;
  for (const StepTime& step : result.steps) steps.push_back(step.seconds);
  std::sort(steps.begin(), steps.end());
  return {{"width", size.width},
          {"height", size.height},
          {"planned_peak_bytes", plan.peak_bytes},
          {"measured_peak_bytes", measured},
          {"predicted_seconds", plan.predicted_seconds},
          {"seconds", seconds},
          {"median_step_seconds", steps.empty() ? 0 : steps[steps.size() / 2]}};
}

void print_rung(const Json& rung) {
  std::printf("%4dx%-4d %13.1f %13.1f %13.1f %13.1f %13.2f\n", rung["width"].get<int>(), rung["height"].get<int>(),
              mib(rung["planned_peak_bytes"].get<std::uint64_t>()),
              mib(rung["measured_peak_bytes"].get<std::uint64_t>()), rung["predicted_seconds"].get<double>(),
              rung["seconds"].get<double>(), rung["median_step_seconds"].get<double>());
  std::fflush(stdout);
}

int climb(const LadderFlags& flags) {
  Request request = flags.request.request();
  if (!request.max_size) fail(ErrorCode::kInvalidArgument, "a ladder needs its top: --max-size WIDTHxHEIGHT");
  const std::vector<ImageSize> rungs = list_rungs(*request.max_size);
  request.max_size.reset();
  request.keep_images = false;
  Engine engine = flags.request.open_engine();
  Progress progress(flags.quiet);
  if (!flags.json) {
    std::printf("%-9s %13s %13s %13s %13s %13s\n", "size", "planned MiB", "measured MiB", "predicted s", "seconds",
                "s a step");
  }
  Json climbed = Json::array();
  for (const ImageSize& size : rungs) {
    request.width = size.width;
    request.height = size.height;
    const Plan plan = engine.plan(request);
    const Result result = plan.does_not_fit ? Result() : engine.generate(request, &progress);
    progress.finish_line();
    if (plan.does_not_fit) {
      std::cerr << size.width << 'x' << size.height << ' ' << plan.does_not_fit->to_text() << '\n';
      break;
    }
    if (result.cancelled) return kInterrupted;
    if (result.shortage && result.steps.empty()) {
      std::cerr << size.width << 'x' << size.height << ' ' << result.shortage->to_text() << '\n';
      break;
    }
    climbed.push_back(rung_json(size, plan, result));
    if (!flags.json) print_rung(climbed.back());
  }
  if (flags.json) std::cout << climbed.dump(2) << '\n';
  return climbed.empty() ? kDoesNotFit : kDone;
}

}  // namespace

Command add_ladder(CLI::App& program) {
  auto flags = std::make_shared<LadderFlags>();
  CLI::App& app =
      *program.add_subcommand("ladder", "Climb from 512x512 to --max-size and measure every size that fits");
  flags->request.add_model_flags(app);
  flags->request.add_budget_flag(app);
  flags->request.add_device_flags(app);
  flags->request.add_prompt_flags(app);
  flags->request.add_max_size_flag(app);
  flags->request.add_sampling_flags(app);
  app.add_flag("--json", flags->json, "As JSON");
  app.add_flag("--quiet", flags->quiet, "No progress on stderr");
  return [flags] { return climb(*flags); };
}

}  // namespace steadyflux::cli
