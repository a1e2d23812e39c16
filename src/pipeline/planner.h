// From a job and a budget to what every phase will do: measured, fitted, and of all that fits the fastest.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "memory/rates.h"
#include "pipeline/fit.h"
#include "pipeline/measuring_runner.h"
#include "pipeline/phases.h"

namespace steadyflux {

// A phase as it will be run.
struct PlannedPhase {
  Phase phase = Phase::kEncode;
  PhaseChoice choice;
  std::vector<StagePlan> stages;
};

struct Shortfall {
  Phase phase = Phase::kEncode;  // the first that does not fit
  Budget needed;                 // the smallest, of either memory, that all phases fit
};

struct RequestPlan {
  std::vector<PlannedPhase> phases;  // with everything in memory where one does not fit
  std::optional<Shortfall> shortfall;

  std::vector<StagePlan> stages() const;
};

// What plans are made with. Borrows the backend that will do the work.
struct PlanSettings {
  Backend& backend;
  Overhead overhead;
  Budget budget;  // none: everything in memory
  Rates rates;    // that choices rest on
};

// A function of its arguments alone; no weight is read and no tensor touched.
RequestPlan plan_phases(const PlanSettings& settings, const OpenModel& model, const Job& job,
                        const std::vector<Phase>& phases);

// One phase with one choice, everything in memory.
std::vector<StagePlan> measure_phase(Backend& backend, const OpenModel& model, const Job& job, Phase phase,
                                     const PhaseChoice& choice);

}  // namespace steadyflux
