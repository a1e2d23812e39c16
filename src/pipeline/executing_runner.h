// Runs phases for real, inside the plan that measuring them made.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "memory/monitor.h"
#include "pipeline/measuring_runner.h"
#include "pipeline/phase_runner.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux {

// Borrows everything. A stage's weights and arena are in memory only while it runs.
class ExecutingRunner final : public PhaseRunner {
 public:
  ExecutingRunner(Backend& backend, const std::vector<StagePlan>& stages, Monitor& monitor, Observer& observer)
      : backend_(backend), stages_(stages), monitor_(monitor), observer_(observer) {}

  Backend& backend() override { return backend_; }
  bool measuring() const override { return false; }
  std::unique_ptr<Holding> hold(Allocate allocate) override;
  // Asks the observer before every group of weights whether the run is cancelled.
  bool run(const Stage& stage, Pass pass) override;

  // The most that was held of a discrete device's memory in a phase.
  std::uint64_t device_peak_bytes(std::string_view phase) const;

 private:
  std::unique_ptr<WeightSource> open_store(const StagePlan& plan, std::size_t passes);
  void note_device_bytes();
  void enter_phase(std::string_view phase);

  Backend& backend_;
  const std::vector<StagePlan>& stages_;
  Monitor& monitor_;
  Observer& observer_;
  std::size_t next_stage_ = 0;
  std::string_view phase_;
  std::map<std::string_view, std::uint64_t> device_peak_bytes_;  // by phase
};

}  // namespace steadyflux
