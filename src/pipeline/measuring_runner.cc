#include "pipeline/measuring_runner.h"

#include <utility>

#include "memory/resident_store.h"

namespace steadyflux {

class MeasuringRunner::MeasuredHolding final : public Holding {
 public:
  MeasuredHolding(std::size_t& held_bytes, std::size_t bytes) : held_bytes_(held_bytes), bytes_(bytes) {
    held_bytes_ += bytes_;
  }
  ~MeasuredHolding() override { held_bytes_ -= bytes_; }

 private:
  std::size_t& held_bytes_;
  std::size_t bytes_;
};

std::unique_ptr<Holding> MeasuringRunner::hold(Allocate allocate) {
  Arena arena = Arena::measuring();
  allocate(arena);
  return std::make_unique<MeasuredHolding>(held_bytes_, arena.peak_bytes());
}

bool MeasuringRunner::run(const Stage& stage, Pass pass) {
  MeasuredWeights weights(stage.weights->groups);
  Arena arena = Arena::measuring();
  pass(Executor(backend_, arena), weights, 0);
  Trace trace = backend_.take_trace();
  const double flops = trace.total.flops * static_cast<double>(stage.passes);
  stages_.push_back({stage.phase, stage.weights, static_cast<std::size_t>(stage.passes),
                     resident_everywhere(stage.weights->groups), held_bytes_ + stage.kept_bytes, arena.peak_bytes(),
                     arena.peak_scratch_bytes(), flops, std::move(trace)});
  return true;
}

MemoryPlan make_plan(const std::vector<StagePlan>& stages, std::uint64_t overhead_bytes) {
  MemoryPlan plan;
  for (const StagePlan& stage : stages) {
    PhasePlan part;
    part.name = stage.phase;
    part.weights_bytes = stage.residency.weights_bytes();
    part.activations_bytes = stage.held_bytes + stage.arena_bytes - stage.scratch_bytes;
    part.scratch_bytes = stage.scratch_bytes;
    part.overhead_bytes = overhead_bytes;
    part.arena_bytes = stage.arena_bytes;
    part.read_bytes = stage.residency.read_bytes(stage.weights->groups, stage.passes);
    part.flops = stage.flops;
    if (plan.phases.empty() || plan.phases.back().name != part.name) {
      plan.phases.push_back(part);
      continue;
    }
    PhasePlan& phase = plan.phases.back();
    part.read_bytes += phase.read_bytes;
    part.flops += phase.flops;
    const bool larger = part.peak_bytes() > phase.peak_bytes();
    const std::uint64_t read_bytes = part.read_bytes;
    const double flops = part.flops;
    if (larger) phase = part;
    phase.read_bytes = read_bytes;
    phase.flops = flops;
  }
  return plan;
}

}  // namespace steadyflux
