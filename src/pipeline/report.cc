#include "pipeline/report.h"

#include <algorithm>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/bytes.h"

namespace steadyflux {
namespace {

using Json = nlohmann::ordered_json;

Json planned_json(const PhaseReport& phase) {
  return {{"name", phase.name},
          {"weights_bytes", phase.weights_bytes},
          {"activations_bytes", phase.activations_bytes},
          {"scratch_bytes", phase.scratch_bytes},
          {"overhead_bytes", phase.overhead_bytes},
          {"planned_peak_bytes", phase.planned_peak_bytes},
          {"read_bytes", phase.read_bytes},
          {"flops", phase.flops}};
}

Json measured_json(const PhaseReport& phase) {
  Json json = planned_json(phase);
  json["actual_peak_bytes"] = phase.actual_peak_bytes;
  json["seconds"] = phase.seconds;
  json["major_faults"] = phase.major_faults;
  json["swap_in_bytes"] = phase.swap_in_bytes;
  json["swap_out_bytes"] = phase.swap_out_bytes;
  return json;
}

// Prompts are checked to be UTF-8 before they are encoded; whatever else reaches a report must not break it.
std::string dump(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

}  // namespace

std::vector<PhaseReport> phase_reports(const MemoryPlan& plan) {
  std::vector<PhaseReport> reports;
  for (const PhasePlan& phase : plan.phases) {
    PhaseReport& report = reports.emplace_back();
    report.name = phase.name;
    report.weights_bytes = phase.weights_bytes;
    report.activations_bytes = phase.activations_bytes;
    report.scratch_bytes = phase.scratch_bytes;
    report.overhead_bytes = phase.overhead_bytes;
    report.planned_peak_bytes = phase.peak_bytes();
    report.read_bytes = phase.read_bytes;
    report.flops = phase.flops;
  }
  return reports;
}

void add_measured(const std::vector<PhaseUse>& used, std::vector<PhaseReport>& phases) {
  for (const PhaseUse& use : used) {
    const auto found = std::find_if(phases.begin(), phases.end(), [&](const auto& p) { return p.name == use.name; });
    if (found == phases.end()) continue;
    found->actual_peak_bytes = use.peak_bytes;
    found->seconds = use.seconds;
    found->major_faults = use.major_faults;
    found->swap_in_bytes = use.swap_in_bytes;
    found->swap_out_bytes = use.swap_out_bytes;
  }
}

std::string parameters_text(const OpenModel& model, const Job& job, const ImageJob& image) {
  std::ostringstream text;
  text << job.conditionings[image.conditioning].clip << '\n';
  if (job.has_negative && !job.from_embeds)
    text << "Negative prompt: " << job.conditionings[job.negative()].clip << '\n';
  text << "Steps: " << job.num_steps() << ", Sampler: Euler, CFG scale: " << job.true_cfg;
  if (model.flux.guidance_embeds) text << ", Distilled CFG Scale: " << job.guidance;
  text << ", Seed: " << image.seed << ", Size: " << job.width << 'x' << job.height << ", Model: " << model.name
       << ", Version: steadyflux " << version();
  return text.str();
}

std::string DoesNotFit::to_text() const {
  std::string text = "does not fit: the phase " + phase + " needs a budget of " + format_bytes(needed_bytes) +
                     ", but " + format_bytes(budget_bytes) + " is given. Any of these fits:";
  for (const std::string& suggestion : suggestions) text += "\n  " + suggestion;
  return text;
}

std::string Plan::to_json() const {
  Json json = {{"width", width}, {"height", height}, {"steps", steps}, {"peak_bytes", peak_bytes}};
  for (const PhaseReport& phase : phases) json["phases"].push_back(planned_json(phase));
  if (does_not_fit) {
    json["does_not_fit"] = {{"phase", does_not_fit->phase},
                            {"needed_bytes", does_not_fit->needed_bytes},
                            {"budget_bytes", does_not_fit->budget_bytes},
                            {"suggestions", does_not_fit->suggestions}};
  }
  return dump(json);
}

std::string Plan::to_table() const {
  MemoryPlan plan;
  for (const PhaseReport& phase : phases) {
    plan.phases.push_back({phase.name, phase.weights_bytes, phase.activations_bytes, phase.scratch_bytes,
                           phase.overhead_bytes, 0, phase.read_bytes, phase.flops});
  }
  return format_table(plan);
}

std::string Result::to_json() const {
  Json json = {{"version", version()}, {"cancelled", cancelled}};
  json["phases"] = Json::array();
  for (const PhaseReport& phase : phases) json["phases"].push_back(measured_json(phase));
  json["steps"] = Json::array();
  for (const StepTime& step : steps) json["steps"].push_back({{"step", step.step}, {"seconds", step.seconds}});
  json["images"] = Json::array();
  for (const Image& image : images) {
    json["images"].push_back({{"width", image.width},
                              {"height", image.height},
                              {"seed", image.seed},
                              {"prompt", image.prompt},
                              {"parameters", image.parameters}});
  }
  json["warnings"] = warnings;
  return dump(json);
}

}  // namespace steadyflux
