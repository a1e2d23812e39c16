#include <algorithm>
#include <chrono>
#include <utility>

#include "base/bytes.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "memory/admission.h"
#include "pipeline/admit.h"
#include "pipeline/cache/prompt_cache.h"
#include "pipeline/embeddings_file.h"
#include "pipeline/executing_runner.h"
#include "pipeline/job.h"
#include "pipeline/make_backend.h"
#include "pipeline/open_model.h"
#include "pipeline/overhead.h"
#include "pipeline/phases.h"
#include "pipeline/planner.h"
#include "pipeline/prompt_tokens.h"
#include "pipeline/rates_file.h"
#include "pipeline/report.h"
#include "pipeline/run_watch.h"
#include "pipeline/suggest.h"
#include "platform/process.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux {
namespace {

// With the budget of the process's memory that "auto" stands for in its place: everything after this sees bytes.
EngineOptions resolved(EngineOptions options, const SystemMemory& system) {
  if (options.ram_bytes == kAutoBudget) options.ram_bytes = auto_budget_bytes(system);
  return options;
}

// Passes phases and cancellation on, and times the steps from the start of their phase.
class PhaseClock final : public Observer {
 public:
  explicit PhaseClock(Observer& observer) : observer_(observer) {}

  void on_phase(std::string_view phase) override {
    observer_.on_phase(phase);
    last_ = std::chrono::steady_clock::now();
  }
  bool cancelled() override { return observer_.cancelled(); }

  // Seconds since the phase began or this was last asked.
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    return std::chrono::duration<double>(now - std::exchange(last_, now)).count();
  }

 private:
  Observer& observer_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// Turns what the phases give into a Result and tells the observer.
class ResultCollector final : public RunOutputs {
 public:
  ResultCollector(const OpenModel& model, const Job& job, Monitor& monitor, PhaseClock& clock, Observer& observer,
                  Result& result)
      : model_(model), job_(job), monitor_(monitor), clock_(clock), observer_(observer), result_(result) {
    result_.images.reserve(job.images.size());
    result_.steps.reserve(static_cast<std::size_t>(job.num_steps()));
  }

  void on_step(std::int64_t pass, std::int64_t passes) override {
    const int number = static_cast<int>(pass) + 1;
    const double seconds = clock_.lap();
    result_.steps.push_back({number, seconds});
    observer_.on_step(number, static_cast<int>(passes), seconds, monitor_.sample());
  }

  void on_image(std::size_t index, std::vector<std::uint8_t> rgb, std::vector<float> latents) override {
    const ImageJob& job = job_.images[index];
    Image image;
    image.width = job_.width;
    image.height = job_.height;
    image.rgb = std::move(rgb);
    image.prompt = job_.conditionings[job.conditioning].clip;
    image.seed = job.seed;
    image.parameters = parameters_text(model_, job_, job);
    image.latents = std::move(latents);
    image.latent_tokens = static_cast<int>(job_.latent.num_tokens());
    result_.images.push_back(std::move(image));
    observer_.on_image(result_.images.back(), static_cast<int>(index), static_cast<int>(job_.num_images()));
    if (!job_.keep_images) result_.images.back().rgb = {};
  }

 private:
  const OpenModel& model_;
  const Job& job_;
  Monitor& monitor_;
  PhaseClock& clock_;
  Observer& observer_;
  Result& result_;
};

}  // namespace

class Engine::Impl {
 public:
  explicit Impl(const EngineOptions& options)
      : system_(options.system_root),
        options_(resolved(options, system_.memory())),
        model_(open_model(options)),
        backend_(make_backend(options_, system_.memory())),
        measured_rates_(load_rates(options_.rates, backend_->name(), num_threads())),
        cache_(model_, *backend_, options_.prompt_cache, options_.prompt_cache_bytes) {}

  Plan plan(const Request& asked) {
    const Request request = with_size(asked);
    const Job job = prepare(request, nullptr);
    return make_public_plan(request, job, plan_job(options_, job), list_phases(job));
  }

  Embeddings encode(const Request& request) {
    if (request.prompts.size() != 1) fail(ErrorCode::kInvalidArgument, "encode takes exactly one prompt");
    Job job = prepare(request, nullptr);
    cache_.skip_kept_embeds(job, {});
    Carried carried = make_carried(job);
    std::vector<std::string> warnings;
    while (!cache_.load(job, carried, warnings)) {
    }
    if (!job.to_encode.empty()) run_encode_alone(request, job, carried, warnings);
    for (std::string& warning : cache_.take_warnings()) warnings.push_back(std::move(warning));
    return public_embeddings(job, carried, std::move(warnings));
  }

  MemoryUse memory() { return memory_now(system_, peak_); }
  void reset_peak() { peak_.reset(); }

  Result generate(const Request& asked, Observer& observer) {
    const Request request = with_size(asked);
    std::vector<PromptEmbeds> embeds;
    Job job = prepare(request, &embeds);
    cache_.skip_kept_embeds(job, embeds);
    cache_.skip_kept_modulations(job);
    Carried carried = make_carried(job);
    Result result;
    result.warnings = model_.warnings;
    RequestPlan planned = plan_job(options_, job);
    while (!planned.shortfall && !cache_.load(job, carried, result.warnings)) planned = plan_job(options_, job);
    const Plan plan = make_public_plan(request, job, planned, list_phases(job));
    observer.on_plan(plan);
    result.phases = plan.phases;
    result.does_not_fit = plan.does_not_fit;
    result.shortage = plan.shortage;
    if (result.does_not_fit || (result.shortage && !options_.force)) return result;
    count_kept(job, result);
    const TokenizedPrompts tokenized = read_inputs(request, job, std::move(embeds), carried, result.warnings);
    if (result.shortage) result.warnings.push_back(forced_warning(*result.shortage));
    for (const std::string& warning : result.warnings) observer.on_warning(warning);
    result.cancelled = !run(job, planned, plan, tokenized, carried, observer, result);
    for (std::string& warning : cache_.take_warnings()) {
      observer.on_warning(warning);
      result.warnings.push_back(std::move(warning));
    }
    return result;
  }

 private:
  int num_threads() const { return threads_or_available(options_.threads); }
  std::uint64_t overhead() const {
    return overhead_bytes(num_threads()) + backend_->device_memory().host_overhead_bytes;
  }

  PlanSettings settings(const EngineOptions& options) const {
    const int threads = threads_or_available(options.threads);
    const DeviceMemory device = backend_->device_memory();
    return {*backend_,
            {overhead(), device.overhead_bytes},
            {options.ram_bytes, vram_budget(options, device)},
            default_rates(threads)};
  }

  // With the rates that are shown.
  PlanSettings public_settings() const {
    PlanSettings shown = settings(options_);
    shown.rates = measured_rates_.value_or(shown.rates);
    return shown;
  }

  // Under a budget nothing may rest on the page cache, which is no part of it. Without one it makes the next run start
  // at once.
  OpenForReading reading() const { return options_.ram_bytes > 0 ? open_direct : open_cached; }

  RequestPlan plan_job(const EngineOptions& options, const Job& job) {
    if (!job.to_encode.empty()) open_encoders(model_);
    return plan_phases(settings(options), model_, job, list_phases(job));
  }

  // The request with the largest usual size that fits, or the smallest where none does, if it leaves the size to us.
  Request with_size(const Request& request) {
    if (!request.auto_size) {
      if (request.max_size) fail(ErrorCode::kInvalidArgument, "a largest size has no effect without an automatic size");
      return request;
    }
    if (request.width || request.height) {
      fail(ErrorCode::kInvalidArgument, "width and height contradict an automatic size: give one or the other");
    }
    Request sized = request;
    sized.auto_size = false;
    sized.max_size.reset();
    const Job own = make_job(model_, options_, sized);
    const ImageSize max = request.max_size.value_or(ImageSize{own.width, own.height});
    std::vector<ImageSize> sizes = usual_sizes(max);
    if (sizes.empty()) {
      fail(ErrorCode::kInvalidArgument, "none of the usual sizes is within ", max.width, "x", max.height,
           "; the smallest is 128x128");
    }
    for (auto size = sizes.rbegin(); size != sizes.rend(); ++size) {
      sized.width = size->width;
      sized.height = size->height;
      if (!plan_job(options_, make_job(model_, options_, sized)).shortfall) break;
    }
    return sized;
  }

  // `planned` is of `phases`.
  Plan make_public_plan(const Request& request, const Job& job, const RequestPlan& planned,
                        const std::vector<Phase>& phases) {
    Plan plan = public_plan(planned, job, public_settings());
    plan.rates_measured = measured_rates_.has_value();
    plan.budget_bytes = options_.ram_bytes;
    if (!planned.shortfall) {
      plan.shortage = check_admission(plan, overhead(), system_, [&](std::uint64_t budget_bytes) {
        EngineOptions smaller = options_;
        smaller.ram_bytes = budget_bytes;
        return budget_bytes > 0 && !plan_phases(settings(smaller), model_, job, phases).shortfall;
      });
      return plan;
    }
    const auto fits = [&](const EngineOptions& options, const Request& changed) {
      return !plan_job(options, make_job(model_, options, changed)).shortfall;
    };
    plan.does_not_fit = refuse(*planned.shortfall);
    plan.does_not_fit->suggestions = suggest_changes(job, options_, request, *plan.does_not_fit, fits);
    return plan;
  }

  DoesNotFit refuse(const Shortfall& shortfall) const {
    DoesNotFit refusal;
    refusal.phase = phase_name(shortfall.phase);
    refusal.needed_bytes = shortfall.needed.ram_bytes;
    refusal.budget_bytes = options_.ram_bytes;
    refusal.needed_vram_bytes = shortfall.needed.vram_bytes;
    refusal.vram_bytes = vram_budget(options_, backend_->device_memory());
    return refusal;
  }

  // The phase encode for itself; what comes out is carried and kept, what is to be said goes to `warnings`.
  void run_encode_alone(const Request& request, const Job& job, Carried& carried, std::vector<std::string>& warnings) {
    open_encoders(model_);
    const RequestPlan planned = plan_phases(settings(options_), model_, job, {Phase::kEncode});
    if (planned.shortfall) {
      fail(ErrorCode::kDoesNotFit, refuse(*planned.shortfall).to_text());
    }
    const Plan plan = make_public_plan(request, job, planned, {Phase::kEncode});
    if (plan.shortage && !options_.force) fail(ErrorCode::kDoesNotFit, plan.shortage->to_text());
    const TokenizedPrompts tokenized = tokenize_prompts(model_, job);
    for (const auto& cut : tokenized.warnings) warnings.insert(warnings.end(), cut.begin(), cut.end());
    if (plan.shortage) warnings.push_back(forced_warning(*plan.shortage));
    Observer silent;
    RunWatch watch(peak_, silent, warnings);
    Monitor monitor(planned_peaks(plan), overhead(), system_, peak_, watch);
    const std::vector<StagePlan> stages = planned.stages();
    ExecutingRunner runner(*backend_, stages, monitor, silent, reading(), &cache_);
    RunOutputs nobody;
    ensure(
        run_phase(Phase::kEncode, {runner, model_, job, planned.phases[0].choice, carried, tokenized.tokens, nobody}),
        "encoding was cancelled");
    cache_.keep_embeds(job, carried, tokenized);
  }

  static void count_kept(const Job& job, Result& result) {
    if (!job.from_embeds) result.kept_embeddings = static_cast<int>(job.conditionings.size() - job.to_encode.size());
    result.kept_modulations = static_cast<int>(job.conditionings.size() - job.to_modulate.size());
  }

  // Every phase; false when the run was cancelled.
  bool run(const Job& job, const RequestPlan& planned, const Plan& plan, const TokenizedPrompts& tokenized,
           Carried& carried, Observer& observer, Result& result) {
    RunWatch watch(peak_, observer, result.warnings);
    Monitor monitor(planned_peaks(plan), overhead(), system_, peak_, watch);
    PhaseClock clock(observer);
    const std::vector<StagePlan> stages = planned.stages();
    ExecutingRunner runner(*backend_, stages, monitor, clock, reading(), &cache_);
    ResultCollector collector(model_, job, monitor, clock, observer, result);
    const bool finished = std::all_of(planned.phases.begin(), planned.phases.end(), [&](const PlannedPhase& phase) {
      const PhaseContext context = {runner, model_, job, phase.choice, carried, tokenized.tokens, collector};
      if (!run_phase(phase.phase, context)) return false;
      if (phase.phase == Phase::kEncode) cache_.keep_embeds(job, carried, tokenized);
      if (phase.phase == Phase::kModulate) cache_.keep_modulations(job, carried);
      return true;
    });
    add_measured(monitor.phases(), result.phases);
    for (PhaseReport& phase : result.phases) {
      phase.actual_device_peak_bytes = runner.device_peak_bytes(phase.name);
      phase.actual_read_bytes = runner.bytes_read(phase.name);
      phase.operations = operation_reports(runner.profile(phase.name));
    }
    return finished;
  }

  // A checked job; embeddings of the request's file, if it names one, go to `embeds` when that is given.
  Job prepare(const Request& request, std::vector<PromptEmbeds>* embeds) const {
    Job job = make_job(model_, options_, request);
    if (!job.from_embeds) return job;
    StoredEmbeds stored = read_embeddings(request.embeds, model_);
    if (stored.conditionings.size() < job.conditionings.size()) {
      fail(ErrorCode::kInvalidArgument, request.embeds.string(),
           " has no negative prompt, which true_cfg above 1 needs; encode it with --negative");
    }
    stored.conditionings.resize(job.conditionings.size());
    job.max_sequence_length = stored.tokens;
    if (embeds != nullptr) *embeds = std::move(stored.conditionings);
    return job;
  }

  static Carried make_carried(const Job& job) {
    Carried carried;
    if (job.spilled) carried.spill_directory = scratch_directory();
    return carried;
  }

  // Prompts to encode as tokens; what files give goes straight to where phases look for it.
  TokenizedPrompts read_inputs(const Request& request, const Job& job, std::vector<PromptEmbeds> embeds,
                               Carried& carried, std::vector<std::string>& warnings) const {
    if (job.latents_given) {
      carry_latents(job,
                    read_latents(request.latents, job.num_images(), job.latent.num_tokens(), model_.flux.in_channels),
                    carried);
    }
    if (job.from_embeds && !job.to_modulate.empty()) carry_embeds(job, embeds, carried);
    TokenizedPrompts tokenized = tokenize_prompts(model_, job);
    for (const auto& cut : tokenized.warnings) warnings.insert(warnings.end(), cut.begin(), cut.end());
    return tokenized;
  }

  Embeddings public_embeddings(const Job& job, Carried& carried, std::vector<std::string> warnings) const {
    Embeddings embeddings;
    embeddings.tokens = job.max_sequence_length;
    embeddings.width = static_cast<int>(model_.flux.joint_attention_dim);
    embeddings.pooled_width = static_cast<int>(model_.flux.pooled_projection_dim);
    embeddings.warnings = std::move(warnings);
    PromptEmbeds positive = carried_embeds(job, carried, 0);
    embeddings.prompt_embeds = std::move(positive.prompt_embeds);
    embeddings.pooled_prompt_embeds = std::move(positive.pooled);
    if (!job.has_negative) return embeddings;
    PromptEmbeds negative = carried_embeds(job, carried, job.negative());
    embeddings.negative_prompt_embeds = std::move(negative.prompt_embeds);
    embeddings.negative_pooled_prompt_embeds = std::move(negative.pooled);
    return embeddings;
  }

  SystemFigures system_;
  EngineOptions options_;
  OpenModel model_;
  std::unique_ptr<Backend> backend_;
  std::optional<Rates> measured_rates_;  // that predictions rest on; choices never do
  PeakMeter peak_;
  PromptCache cache_;
};

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

Engine Engine::open(const EngineOptions& options) { return Engine(std::make_unique<Impl>(options)); }

Plan Engine::plan(const Request& request) { return impl_->plan(request); }

Embeddings Engine::encode(const Request& request) { return impl_->encode(request); }

Result Engine::generate(const Request& request, Observer* observer) {
  Observer silent;
  return impl_->generate(request, observer != nullptr ? *observer : silent);
}

MemoryUse Engine::memory() const { return impl_->memory(); }

void Engine::reset_peak() { impl_->reset_peak(); }

std::string_view version() { return "0.1.0"; }

}  // namespace steadyflux
