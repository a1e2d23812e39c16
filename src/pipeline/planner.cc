#include "pipeline/planner.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "pipeline/predict.h"

namespace steadyflux {
namespace {

// Wider windows save ever less reading, and every image of one is asked for in turn before a pass ends.
constexpr std::int64_t kMaxWindow = 32;

double seconds_of(const std::vector<StagePlan>& stages, DType activations, const Rates& rates) {
  double seconds = 0;
  for (const StagePlan& stage : stages) seconds += predict_seconds(stage, activations, rates);
  return seconds;
}

bool all_resident(const std::vector<StagePlan>& stages) {
  return std::all_of(stages.begin(), stages.end(), [](const StagePlan& s) { return s.residency.all_resident(); });
}

// As many windows, of sizes as equal as can be.
std::int64_t even_window(std::int64_t items, std::int64_t window) {
  const std::int64_t num_windows = (items + window - 1) / window;
  return (items + num_windows - 1) / num_windows;
}

struct FittedPhase {
  PlannedPhase planned;
  std::optional<Budget> needed;  // the smallest, where it does not fit
};

FittedPhase try_choice(const PlanSettings& settings, const OpenModel& model, const Job& job, Phase phase,
                       const PhaseChoice& choice) {
  FittedPhase fitted{{phase, choice, measure_phase(settings.backend, model, job, phase, choice)}, std::nullopt};
  if (settings.budget.ram_bytes > 0 || settings.budget.vram_bytes > 0) {
    fitted.needed = fit_stages(fitted.planned.stages, settings.overhead, settings.budget);
  }
  return fitted;
}

// Wider and wider windows, as long as they fit and save time.
FittedPhase choose_window(const PlanSettings& settings, const OpenModel& model, const Job& job, Phase phase) {
  const std::int64_t items = num_items(phase, job);
  FittedPhase best = try_choice(settings, model, job, phase, {});
  double best_seconds = seconds_of(best.planned.stages, job.activations, settings.rates);
  const std::int64_t widest = std::min(items, kMaxWindow);
  for (std::int64_t window = 1; window < widest;) {
    if (best.needed || all_resident(best.planned.stages)) break;
    window = std::min(2 * window, widest);
    PhaseChoice choice = best.planned.choice;
    choice.window = even_window(items, window);
    FittedPhase wider = try_choice(settings, model, job, phase, choice);
    const double seconds = seconds_of(wider.planned.stages, job.activations, settings.rates);
    if (wider.needed || seconds > best_seconds) break;
    best = std::move(wider);
    best_seconds = seconds;
  }
  return best;
}

// The modes that a job may be decoded in, from the fastest to the smallest.
std::vector<DecodeMode> allowed_modes(const OpenModel& model, const Job& job) {
  using Kind = DecodeMode::Kind;
  if (job.decode == DecodeChoice::kWhole) return {{}};
  if (job.decode == DecodeChoice::kTiled) return {{.kind = Kind::kTiled, .tile_px = job.tile_size}};
  std::vector<DecodeMode> modes = decode_modes(model.autoencoder, job.activations, job.height, job.width);
  if (job.decode == DecodeChoice::kBanded) std::erase_if(modes, [](const auto& m) { return m.kind == Kind::kWhole; });
  if (modes.empty()) modes.push_back({.kind = Kind::kBanded});
  return modes;
}

std::uint64_t total_bytes(const Budget& budget) { return budget.ram_bytes + budget.vram_bytes; }

// The fastest of the modes that fit; where none does, the one that needs least.
FittedPhase choose_decode_mode(const PlanSettings& settings, const OpenModel& model, const Job& job) {
  std::optional<FittedPhase> best;
  double best_seconds = 0;
  for (const DecodeMode& mode : allowed_modes(model, job)) {
    FittedPhase fitted = try_choice(settings, model, job, Phase::kDecode, {.window = 1, .decode = mode});
    const double seconds = seconds_of(fitted.planned.stages, job.activations, settings.rates);
    const bool better =
        !best || (fitted.needed ? best->needed && total_bytes(*fitted.needed) < total_bytes(*best->needed)
                                : best->needed || seconds < best_seconds);
    if (!better) continue;
    best = std::move(fitted);
    best_seconds = seconds;
    if (total_bytes(settings.budget) == 0) break;
  }
  return std::move(*best);
}

}  // namespace

std::vector<StagePlan> RequestPlan::stages() const {
  std::vector<StagePlan> all;
  for (const PlannedPhase& phase : phases) all.insert(all.end(), phase.stages.begin(), phase.stages.end());
  return all;
}

std::vector<StagePlan> measure_phase(Backend& backend, const OpenModel& model, const Job& job, Phase phase,
                                     const PhaseChoice& choice) {
  MeasuringRunner runner(backend);
  Carried nothing;
  RunOutputs nobody;
  ensure(run_phase(phase, {runner, model, job, choice, nothing, {}, nobody}), "measuring was cancelled");
  return runner.take_stages();
}

RequestPlan plan_phases(const PlanSettings& settings, const OpenModel& model, const Job& job,
                        const std::vector<Phase>& phases) {
  RequestPlan plan;
  for (const Phase phase : phases) {
    FittedPhase fitted =
        phase == Phase::kDecode ? choose_decode_mode(settings, model, job) : choose_window(settings, model, job, phase);
    if (fitted.needed) {
      if (!plan.shortfall) plan.shortfall = Shortfall{phase, {}};
      Budget& needed = plan.shortfall->needed;
      needed.ram_bytes = std::max(needed.ram_bytes, fitted.needed->ram_bytes);
      needed.vram_bytes = std::max(needed.vram_bytes, fitted.needed->vram_bytes);
    }
    plan.phases.push_back(std::move(fitted.planned));
  }
  return plan;
}

}  // namespace steadyflux
