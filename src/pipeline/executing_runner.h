// Runs phases for real, inside the plan that measuring them made.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "io/digest.h"
#include "memory/group_reader.h"
#include "memory/monitor.h"
#include "pipeline/measuring_runner.h"
#include "pipeline/phase_runner.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux {

// Told what weights hold, when it does not know yet and they pass by anyway.
class ContentListener {
 public:
  virtual ~ContentListener() = default;
  virtual bool wants_content(const WeightPart& part) const = 0;
  virtual void learn_content(const WeightPart& part, const Digest& weights) = 0;
};

// Borrows everything. A stage's weights and arena are in memory only while it runs; its first pass begins when the
// first group is there, and the others come in the order of their use.
class ExecutingRunner final : public PhaseRunner {
 public:
  // `open` says how weights are read; `listener`, if there is one, is told what they hold.
  ExecutingRunner(Backend& backend, const std::vector<StagePlan>& stages, Monitor& monitor, Observer& observer,
                  OpenForReading open = open_cached, ContentListener* listener = nullptr)
      : backend_(backend),
        stages_(stages),
        monitor_(monitor),
        observer_(observer),
        open_(std::move(open)),
        listener_(listener) {}

  Backend& backend() override { return backend_; }
  bool measuring() const override { return false; }
  std::unique_ptr<Holding> hold(Allocate allocate) override;
  // Asks the observer before every group of weights whether the run is cancelled.
  bool run(const Stage& stage, Pass pass) override;

  // The most that was held of a discrete device's memory in a phase.
  std::uint64_t device_peak_bytes(std::string_view phase) const;
  // From weight files, by the stages of a phase that have run.
  std::uint64_t bytes_read(std::string_view phase) const;
  // Of the operations of the stages of a phase that have run.
  Profile profile(std::string_view phase) const;

 private:
  void note_device_bytes();
  void enter_phase(std::string_view phase);

  Backend& backend_;
  const std::vector<StagePlan>& stages_;
  Monitor& monitor_;
  Observer& observer_;
  OpenForReading open_;
  ContentListener* listener_;
  std::size_t next_stage_ = 0;
  std::string_view phase_;
  std::map<std::string_view, std::uint64_t> device_peak_bytes_;  // by phase
  std::map<std::string_view, std::uint64_t> bytes_read_;         // by phase
  std::map<std::string_view, Profile> profiles_;                 // by phase
};

}  // namespace steadyflux
