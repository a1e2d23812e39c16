#include "pipeline/bench/stream_bench.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "base/error.h"
#include "io/direct_file.h"
#include "memory/group_reader.h"
#include "memory/resident_store.h"
#include "memory/streamed_store.h"
#include "pipeline/bench/step_bench.h"
#include "pipeline/phases.h"
#include "pipeline/planner.h"

namespace steadyflux::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// Reads what the streamer reads, run after run, and does nothing with it.
class DiskProbe {
 public:
  DiskProbe(const WeightPart& part, const Residency& residency) : piece_(GroupReader::kBytesPerRead) {
    for (const auto& file : part.index->files()) files_.push_back(open_direct(file));
    for (std::size_t group = 0; group < part.groups.size(); ++group) {
      const std::vector<FileRun>& runs = part.groups[group].runs;
      if (residency.tiers[group] == Tier::kStreamed) runs_.insert(runs_.end(), runs.begin(), runs.end());
    }
  }

  // Bytes a second.
  double read_all() {
    const auto begin = Clock::now();
    std::size_t num_bytes = 0;
    for (const FileRun& run : runs_) {
      for (std::size_t at = 0; at < run.num_bytes; at += piece_.size()) {
        const std::size_t count = std::min(piece_.size(), run.num_bytes - at);
        files_[run.file]->read_blocks(run.file_offset + at, piece_.bytes().first(count));
        num_bytes += count;
      }
    }
    return static_cast<double>(num_bytes) / seconds_since(begin);
  }

 private:
  std::vector<std::shared_ptr<const ReadableFile>> files_;
  std::vector<FileRun> runs_;
  PageRegion piece_;
};

void lease_every_group(WeightSource& weights) {
  for (std::size_t group = 0; group < weights.num_groups(); ++group) weights.acquire(group);
}

class HeldRegion final : public Holding {
 public:
  explicit HeldRegion(std::unique_ptr<Region> region) : region_(std::move(region)) {}

 private:
  std::unique_ptr<Region> region_;
};

// Runs modulate with everything in memory, and denoise in rounds.
class StreamRunner final : public PhaseRunner {
 public:
  StreamRunner(Backend& backend, const Residency& residency, Observer& observer)
      : backend_(backend), residency_(residency), observer_(observer) {}

  Backend& backend() override { return backend_; }
  bool measuring() const override { return false; }

  std::unique_ptr<Holding> hold(Allocate allocate) override {
    Arena measuring = Arena::measuring();
    allocate(measuring);
    auto region = backend_.reserve(measuring.peak_bytes());
    Arena arena(region->data(), region->size_bytes());
    allocate(arena);
    return std::make_unique<HeldRegion>(std::move(region));
  }

  bool run(const Stage& stage, Pass pass) override {
    const auto region = backend_.reserve(arena_bytes_);
    Arena arena(region->data(), region->size_bytes());
    const Executor executor(backend_, arena);
    ResidentStore resident(backend_, *stage.weights->index, stage.weights->groups);
    if (stage.phase == phase_name(Phase::kDenoise)) return run_rounds(stage, pass, executor, resident);
    for (std::int64_t i = 0; i < stage.passes; ++i) pass(executor, resident, i);
    return true;
  }

  // For what is run next.
  void set_arena_bytes(std::size_t bytes) { arena_bytes_ = bytes; }

  const StreamFigures& figures() const { return figures_; }

 private:
  bool run_rounds(const Stage& stage, Pass pass, const Executor& executor, WeightSource& resident) {
    const WeightPart& part = *stage.weights;
    figures_.pass_bytes = residency_.read_bytes(part.groups, 2) - residency_.read_bytes(part.groups, 1);
    const auto passes = static_cast<std::size_t>(stage.passes);
    StreamedStore streamed(backend_, *part.index, part.groups, residency_, passes);
    DiskProbe disk(part, residency_);
    const auto step = [&](WeightSource& weights, std::int64_t index) {
      const auto begin = Clock::now();
      pass(executor, weights, index);
      const double seconds = seconds_since(begin);
      observer_.on_step(static_cast<int>(index) + 1, static_cast<int>(stage.passes), seconds, 0);
      return seconds;
    };
    for (std::int64_t next = 0; next < stage.passes && !observer_.cancelled(); next += stream_steps(1)) {
      StreamRound round;
      // While this goes on, the streamer fills its slots: then it leaves the disk alone.
      step(resident, next);
      round.disk_bytes_per_second = disk.read_all();
      round.resident_seconds = step(resident, next + 1);
      step(streamed, next + 2);
      round.streamed_seconds = step(streamed, next + 3);
      lease_every_group(streamed);
      const auto begin = Clock::now();
      lease_every_group(streamed);
      round.stream_bytes_per_second = static_cast<double>(figures_.pass_bytes) / seconds_since(begin);
      figures_.rounds.push_back(round);
    }
    return true;
  }

  Backend& backend_;
  const Residency& residency_;
  Observer& observer_;
  std::size_t arena_bytes_ = 0;
  StreamFigures figures_;
};

}  // namespace

StreamFigures time_streaming(Backend& backend, const OpenModel& model, const Job& job, const Residency& residency,
                             Observer& observer) {
  ensure(!residency.all_resident() && job.num_steps() % stream_steps(1) == 0, "a bench of streaming without streaming");
  StreamRunner runner(backend, residency, observer);
  Carried carried = made_up_embeds(model, job);
  RunOutputs ignored;
  for (const Phase phase : {Phase::kModulate, Phase::kDenoise}) {
    const PhaseChoice choice = {.window = num_items(phase, job)};
    runner.set_arena_bytes(measure_phase(backend, model, job, phase, choice).at(0).arena_bytes);
    run_phase(phase, {runner, model, job, choice, carried, {}, ignored});
  }
  return runner.figures();
}

}  // namespace steadyflux::bench
