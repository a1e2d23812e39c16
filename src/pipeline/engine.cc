#include <chrono>
#include <optional>
#include <utility>

#include "backend/cpu/cpu_backend.h"
#include "backend/reference/reference_backend.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "pipeline/embeddings_file.h"
#include "pipeline/executing_runner.h"
#include "pipeline/find_model.h"
#include "pipeline/job.h"
#include "pipeline/measuring_runner.h"
#include "pipeline/open_model.h"
#include "pipeline/overhead.h"
#include "pipeline/prompt_tokens.h"
#include "pipeline/report.h"
#include "pipeline/suggest.h"
#include "pipeline/text_to_image.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux {
namespace {

std::unique_ptr<Backend> make_backend(const EngineOptions& options) {
  if (options.reference_backend) return make_reference_backend();
  CpuOptions cpu;
  cpu.num_threads = options.threads > 0 ? options.threads : available_threads();
  return make_cpu_backend(cpu);
}

// What the phases will take, stage by stage; no tensor is touched.
std::vector<StagePlan> measure(Backend& backend, const OpenModel& model, const Job& job, bool only_encode) {
  MeasuringRunner runner(backend);
  RunOutputs ignored;
  const RunInputs none;
  const bool finished = only_encode ? run_encode(runner, model, job, none, ignored)
                                    : run_text_to_image(runner, model, job, none, ignored);
  ensure(finished, "measuring was cancelled");
  return runner.stages();
}

// The stages of a request, fitted into its budget where there is one.
struct FittedStages {
  std::vector<StagePlan> stages;
  std::optional<Shortfall> shortfall;
};

Plan public_plan(const MemoryPlan& plan, const Job& job) {
  Plan result;
  result.phases = phase_reports(plan);
  result.peak_bytes = plan.peak_bytes();
  result.width = job.width;
  result.height = job.height;
  result.steps = static_cast<int>(job.num_steps());
  return result;
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
  ResultCollector(const OpenModel& model, const Job& job, const Request& request, Monitor& monitor, PhaseClock& clock,
                  Observer& observer, Result& result)
      : model_(model),
        job_(job),
        request_(request),
        monitor_(monitor),
        clock_(clock),
        observer_(observer),
        result_(result) {
    result_.images.reserve(job.images.size());
    result_.steps.reserve(static_cast<std::size_t>(job.num_steps()));
  }

  void on_step(std::int64_t step) override {
    const int number = static_cast<int>(step) + 1;
    const double seconds = clock_.lap();
    result_.steps.push_back({number, seconds});
    observer_.on_step(number, static_cast<int>(job_.num_steps()), seconds, monitor_.sample());
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
    if (request_.keep_latents) image.latents = std::move(latents);
    image.latent_tokens = static_cast<int>(job_.latent.num_tokens());
    result_.images.push_back(std::move(image));
    observer_.on_image(result_.images.back(), static_cast<int>(index), static_cast<int>(job_.num_images()));
  }

 private:
  const OpenModel& model_;
  const Job& job_;
  const Request& request_;
  Monitor& monitor_;
  PhaseClock& clock_;
  Observer& observer_;
  Result& result_;
};

class EmbeddingsCollector final : public RunOutputs {
 public:
  explicit EmbeddingsCollector(Embeddings& embeddings) : embeddings_(embeddings) {}

  void on_embeds(std::size_t conditioning, const PromptEmbeds& embeds) override {
    const bool negative = conditioning == 1;
    (negative ? embeddings_.negative_prompt_embeds : embeddings_.prompt_embeds) = embeds.prompt_embeds;
    (negative ? embeddings_.negative_pooled_prompt_embeds : embeddings_.pooled_prompt_embeds) = embeds.pooled;
  }

 private:
  Embeddings& embeddings_;
};

}  // namespace

class Engine::Impl {
 public:
  explicit Impl(const EngineOptions& options)
      : options_(options), model_(open_model(find_model(options.model))), backend_(make_backend(options)) {}

  Plan plan(const Request& request) {
    const Job job = prepare(request, nullptr);
    return make_public_plan(request, job, fit(options_, job, false));
  }

  Embeddings encode(const Request& request) {
    if (request.prompts.size() != 1) fail(ErrorCode::kInvalidArgument, "encode takes exactly one prompt");
    const Job job = prepare(request, nullptr);
    const FittedStages fitted = fit(options_, job, true);
    if (fitted.shortfall) {
      fail(ErrorCode::kInvalidArgument, "encoding needs a budget of ", format_bytes(fitted.shortfall->needed_bytes),
           ", but ", format_bytes(options_.ram_bytes), " is given");
    }
    RunInputs inputs;
    TokenizedPrompts tokenized = tokenize_prompts(model_, job);
    inputs.tokens = std::move(tokenized.tokens);
    Embeddings embeddings;
    embeddings.tokens = job.max_sequence_length;
    embeddings.width = static_cast<int>(model_.flux.joint_attention_dim);
    embeddings.pooled_width = static_cast<int>(model_.flux.pooled_projection_dim);
    embeddings.warnings = std::move(tokenized.warnings);
    Observer silent;
    Monitor monitor;
    ExecutingRunner runner(*backend_, fitted.stages, monitor, silent);
    EmbeddingsCollector collector(embeddings);
    ensure(run_encode(runner, model_, job, inputs, collector), "encoding was cancelled");
    return embeddings;
  }

  Result generate(const Request& request, Observer& observer) {
    RunInputs inputs;
    const Job job = prepare(request, &inputs.embeds);
    const FittedStages fitted = fit(options_, job, false);
    const Plan plan = make_public_plan(request, job, fitted);
    observer.on_plan(plan);
    Result result;
    result.phases = plan.phases;
    result.does_not_fit = plan.does_not_fit;
    if (result.does_not_fit) return result;
    read_inputs(request, job, inputs, result.warnings);
    for (const std::string& warning : result.warnings) observer.on_warning(warning);

    Monitor monitor;
    PhaseClock clock(observer);
    ExecutingRunner runner(*backend_, fitted.stages, monitor, clock);
    ResultCollector collector(model_, job, request, monitor, clock, observer, result);
    result.cancelled = !run_text_to_image(runner, model_, job, inputs, collector);
    add_measured(monitor.phases(), result.phases);
    return result;
  }

 private:
  std::uint64_t overhead() const {
    return overhead_bytes(options_.threads > 0 ? options_.threads : available_threads());
  }

  FittedStages fit(const EngineOptions& options, const Job& job, bool only_encode) {
    FittedStages fitted{measure(*backend_, model_, job, only_encode), std::nullopt};
    if (options.ram_bytes > 0) fitted.shortfall = fit_stages(fitted.stages, overhead(), options.ram_bytes);
    return fitted;
  }

  Plan make_public_plan(const Request& request, const Job& job, const FittedStages& fitted) {
    Plan plan = public_plan(make_plan(fitted.stages, overhead()), job);
    if (!fitted.shortfall) return plan;
    const auto fits = [&](const EngineOptions& options, const Request& changed) {
      return !fit(options, make_job(model_, options, changed), false).shortfall;
    };
    plan.does_not_fit = {std::string(fitted.shortfall->phase), fitted.shortfall->needed_bytes, options_.ram_bytes,
                         suggest_changes(job, options_, request, *fitted.shortfall, fits)};
    return plan;
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

  void read_inputs(const Request& request, const Job& job, RunInputs& inputs,
                   std::vector<std::string>& warnings) const {
    if (!job.from_embeds) {
      TokenizedPrompts tokenized = tokenize_prompts(model_, job);
      inputs.tokens = std::move(tokenized.tokens);
      warnings = std::move(tokenized.warnings);
    }
    if (!request.latents.empty()) {
      inputs.latents =
          read_latents(request.latents, job.num_images(), job.latent.num_tokens(), model_.flux.in_channels);
    }
  }

  EngineOptions options_;
  OpenModel model_;
  std::unique_ptr<Backend> backend_;
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

std::string_view version() { return "0.1.0"; }

}  // namespace steadyflux
