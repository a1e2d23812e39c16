#include "pipeline/executing_runner.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "memory/hashing_source.h"
#include "memory/streamed_store.h"

namespace steadyflux {
namespace {

class HeldRegion final : public Holding {
 public:
  explicit HeldRegion(std::unique_ptr<Region> region) : region_(std::move(region)) {}

 private:
  std::unique_ptr<Region> region_;
};

// Thrown out of forward code when the observer wants to stop, and caught by the runner that made the source; the answer
// that leaves the runner is a value.
struct Cancelled {};

// Between groups the run looks around: whether it is cancelled, and how the memory is.
class WatchfulSource final : public WeightSource {
 public:
  WatchfulSource(WeightSource& source, Observer& observer, Monitor& monitor)
      : source_(source), observer_(observer), monitor_(monitor) {}

  std::size_t num_groups() const override { return source_.num_groups(); }
  Lease acquire(std::size_t group) override {
    if (observer_.cancelled()) throw Cancelled{};
    monitor_.poll();
    return source_.acquire(group);
  }
  std::uint64_t bytes_read() const override { return source_.bytes_read(); }

 private:
  void release(std::size_t) noexcept override {}

  WeightSource& source_;
  Observer& observer_;
  Monitor& monitor_;
};

}  // namespace

std::unique_ptr<Holding> ExecutingRunner::hold(Allocate allocate) {
  Arena measuring = Arena::measuring();
  allocate(measuring);
  auto region = backend_.reserve(measuring.peak_bytes());
  Arena arena(region->data(), region->size_bytes());
  allocate(arena);
  return std::make_unique<HeldRegion>(std::move(region));
}

bool ExecutingRunner::run(const Stage& stage, Pass pass) {
  ensure(next_stage_ < stages_.size() && stages_[next_stage_].phase == stage.phase, "stage ", stage.phase,
         " is not in the plan");
  const StagePlan& plan = stages_[next_stage_++];
  if (observer_.cancelled()) return false;
  if (stage.phase != phase_) enter_phase(stage.phase);
  const auto region = backend_.reserve(plan.arena_bytes);
  StreamedStore store(backend_, *plan.weights->index, plan.weights->groups, plan.residency,
                      static_cast<std::size_t>(stage.passes * stage.weight_passes), open_);
  note_device_bytes();
  std::optional<HashingSource> hashing;
  if (listener_ != nullptr && listener_->wants_content(*plan.weights)) {
    hashing.emplace(store, backend_, plan.weights->groups);
  }
  WeightSource& leased = hashing ? static_cast<WeightSource&>(*hashing) : store;
  WatchfulSource weights(leased, observer_, monitor_);
  Arena arena(region->data(), region->size_bytes());
  const Executor executor(backend_, arena);
  bool finished = true;
  const Profile before = backend_.profile();
  try {
    for (std::int64_t i = 0; i < stage.passes; ++i) {
      pass(executor, weights, i);
      monitor_.sample();
    }
  } catch (const Cancelled&) {
    finished = false;
  }
  bytes_read_[phase_] += store.bytes_read();
  profiles_[phase_] += backend_.profile() - before;
  monitor_.sample();
  if (const auto content = hashing ? hashing->digest() : std::nullopt) {
    listener_->learn_content(*plan.weights, *content);
  }
  // The phase ends while its last stage's memory is still held: what follows may belong to the next one.
  const bool last_of_phase = next_stage_ == stages_.size() || stages_[next_stage_].phase != stage.phase;
  if (last_of_phase || !finished) monitor_.end_phase();
  return finished;
}

std::uint64_t ExecutingRunner::bytes_read(std::string_view phase) const {
  const auto found = bytes_read_.find(phase);
  return found != bytes_read_.end() ? found->second : 0;
}

Profile ExecutingRunner::profile(std::string_view phase) const {
  const auto found = profiles_.find(phase);
  return found == profiles_.end() ? Profile{} : found->second;
}

std::uint64_t ExecutingRunner::device_peak_bytes(std::string_view phase) const {
  const auto found = device_peak_bytes_.find(phase);
  return found == device_peak_bytes_.end() ? 0 : found->second;
}

void ExecutingRunner::note_device_bytes() {
  const DeviceMemory memory = backend_.device_memory();
  std::uint64_t& peak = device_peak_bytes_[phase_];
  peak = std::max(peak, memory.overhead_bytes + memory.reserved_bytes);
}

void ExecutingRunner::enter_phase(std::string_view phase) {
  phase_ = phase;
  observer_.on_phase(phase);
  monitor_.begin_phase(phase);
}

}  // namespace steadyflux
