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
  stages_.push_back(
      {stage.phase, stage.weights, static_cast<std::size_t>(stage.passes * stage.weight_passes), stage.equal_passes,
       backend_.is_discrete() ? resident_on_device(stage.weights->groups) : resident_everywhere(stage.weights->groups),
       held_bytes_, stage.kept_bytes, arena.peak_bytes(), arena.peak_scratch_bytes(), backend_.take_trace()});
  return true;
}

}  // namespace steadyflux
