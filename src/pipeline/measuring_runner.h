// Runs phases on made-up memory and writes down what they would take.
#pragma once

#include <utility>
#include <vector>

#include "backend/measure/measure_backend.h"
#include "memory/residency.h"
#include "pipeline/phase_runner.h"

namespace steadyflux {

// What one stage needs; a phase's plan is its largest stage.
struct StagePlan {
  std::string_view phase;
  const WeightPart* weights = nullptr;
  std::size_t passes = 1;  // over the weights
  double equal_passes = 1;
  Residency residency;         // everything resident, until a budget asks for less
  std::size_t held_bytes = 0;  // of the device's memory, by holdings alive while it runs
  std::size_t kept_bytes = 0;  // of the host's, by what is carried between phases, and results
  std::size_t arena_bytes = 0;
  std::size_t scratch_bytes = 0;  // part of arena_bytes
  Trace trace;                    // of the first pass

  double flops() const { return trace.total.flops * equal_passes; }
  std::size_t read_bytes() const { return residency.read_bytes(weights->groups, passes); }
};

// Borrows the backend that will do the work. No weight is read and no tensor touched.
class MeasuringRunner final : public PhaseRunner {
 public:
  explicit MeasuringRunner(Backend& target) : backend_(target) {}

  Backend& backend() override { return backend_; }
  bool measuring() const override { return true; }
  std::unique_ptr<Holding> hold(Allocate allocate) override;
  bool run(const Stage& stage, Pass pass) override;

  std::vector<StagePlan> take_stages() { return std::move(stages_); }

 private:
  class MeasuredHolding;

  MeasureBackend backend_;
  std::size_t held_bytes_ = 0;
  std::vector<StagePlan> stages_;
};

}  // namespace steadyflux
