#include "pipeline/bench/step_bench.h"

#include <chrono>
#include <utility>

#include "backend/cpu/cpu_backend.h"
#include "base/error.h"
#include "pipeline/bench/synthetic_values.h"
#include "pipeline/executing_runner.h"
#include "pipeline/phases.h"
#include "pipeline/planner.h"

namespace steadyflux::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMaxTextTokens = 512;  // that FLUX.1 takes

constexpr PhaseChoice kOneByOne = {};

std::vector<float> made_up(std::string_view name, std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  fill_values({.key = sequence_key(0, name), .mean = 0, .deviation = 1}, 0, values);
  return values;
}

// Stands between the run and its observer: knows when a step began, and ends the run after the last step, before
// anything is decoded.
class StepWatch final : public Observer {
 public:
  explicit StepWatch(Observer& observer) : observer_(observer) {}

  void on_phase(std::string_view phase) override {
    observer_.on_phase(phase);
    begin();
  }
  bool cancelled() override { return finished_ || observer_.cancelled(); }

  void begin() { begin_ = Clock::now(); }
  double seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }
  void finish() { finished_ = true; }

 private:
  Observer& observer_;
  Clock::time_point begin_ = Clock::now();
  bool finished_ = false;
};

// Probes between steps, outside of what is timed.
class StepTimer final : public RunOutputs {
 public:
  StepTimer(Backend& backend, const Job& job, GemmProbe* probe, Monitor& monitor, StepWatch& watch, Observer& observer)
      : backend_(backend), job_(job), probe_(probe), monitor_(monitor), watch_(watch), observer_(observer) {}

  void on_step(std::int64_t step, std::int64_t) override {
    StepRound round;
    round.step_seconds = watch_.seconds();
    const Profile profile = backend_.profile();
    round.profile = profile - std::exchange(profile_, profile);
    if (probe_ != nullptr) round.gemm_seconds = probe_->run_round();
    if (step > 0) rounds_.push_back(round);
    if (step + 1 == job_.num_steps()) watch_.finish();
    observer_.on_step(static_cast<int>(step) + 1, static_cast<int>(job_.num_steps()), round.step_seconds,
                      monitor_.sample());
    watch_.begin();
  }

  const std::vector<StepRound>& rounds() const { return rounds_; }

 private:
  Backend& backend_;
  const Job& job_;
  GemmProbe* probe_;
  Monitor& monitor_;
  StepWatch& watch_;
  Observer& observer_;
  Profile profile_;  // at the end of the step before
  std::vector<StepRound> rounds_;
};

}  // namespace

void refuse_auto_size(const Request& request) {
  if (request.auto_size) fail(ErrorCode::kInvalidArgument, "--size auto has no effect on this; give WIDTHxHEIGHT");
}

Job make_step_job(const OpenModel& model, const EngineOptions& options, const Request& request, int num_steps) {
  refuse_auto_size(request);
  Request made;
  // Any name says that the embeddings are given; nobody opens it here.
  made.embeds = "made-up";
  made.width = request.width;
  made.height = request.height;
  made.steps = num_steps;
  made.count = request.count;
  made.seed = 0;
  Job job = make_job(model, options, made);
  const int length = request.max_sequence_length.value_or(job.max_sequence_length);
  if (length < 1 || length > kMaxTextTokens) {
    fail(ErrorCode::kInvalidArgument, "max_sequence_length must be between 1 and ", kMaxTextTokens, ", not ", length);
  }
  job.max_sequence_length = length;
  return job;
}

Carried made_up_embeds(const OpenModel& model, const Job& job) {
  const PromptEmbeds embeds = {made_up("prompt_embeds", job.max_sequence_length * model.flux.joint_attention_dim),
                               made_up("pooled", model.flux.pooled_projection_dim)};
  Carried carried;
  carry_embeds(job, {&embeds, 1}, carried);
  return carried;
}

std::unique_ptr<Backend> processor_backend(int num_threads) { return make_cpu_backend({.num_threads = num_threads}); }

Trace trace_of_step(Backend& backend, const OpenModel& model, const Job& job) {
  return std::move(measure_phase(backend, model, job, Phase::kDenoise, kOneByOne).at(0).trace);
}

std::vector<StepRound> time_steps(Backend& backend, const OpenModel& model, const Job& job, GemmProbe* probe,
                                  Observer& observer) {
  std::vector<StagePlan> stages = measure_phase(backend, model, job, Phase::kModulate, kOneByOne);
  for (StagePlan& stage : measure_phase(backend, model, job, Phase::kDenoise, kOneByOne)) {
    stages.push_back(std::move(stage));
  }
  Carried carried = made_up_embeds(model, job);
  const SystemFigures system;
  PeakMeter peak;
  MonitorListener nobody;
  Monitor monitor({}, 0, system, peak, nobody);
  StepWatch watch(observer);
  StepTimer timer(backend, job, probe, monitor, watch, observer);
  ExecutingRunner runner(backend, stages, monitor, watch);
  const PhaseContext context = {runner, model, job, kOneByOne, carried, {}, timer};
  if (run_phase(Phase::kModulate, context)) run_phase(Phase::kDenoise, context);
  return timer.rounds();
}

}  // namespace steadyflux::bench
