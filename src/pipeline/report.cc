#include "pipeline/report.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "pipeline/plan_text.h"
#include "pipeline/predict.h"

namespace steadyflux {
namespace {

Json measured_json(const PhaseReport& phase) {
  Json json = phase_plan_json(phase);
  json["actual_peak_bytes"] = phase.actual_peak_bytes;
  if (phase.planned_device_peak_bytes > 0) json["actual_device_peak_bytes"] = phase.actual_device_peak_bytes;
  json["end_bytes"] = phase.end_bytes;
  json["seconds"] = phase.seconds;
  json["actual_read_bytes"] = phase.actual_read_bytes;
  json["major_faults"] = phase.major_faults;
  json["swap_in_bytes"] = phase.swap_in_bytes;
  json["swap_out_bytes"] = phase.swap_out_bytes;
  json["memory_stall_seconds"] = phase.memory_stall_seconds;
  json["operations"] = Json::array();
  for (const OperationReport& each : phase.operations) {
    json["operations"].push_back({{"name", each.name},
                                  {"calls", each.calls},
                                  {"seconds", each.seconds},
                                  {"flops", each.flops},
                                  {"gflops_per_second", each.seconds > 0 ? each.flops / each.seconds * 1e-9 : 0}});
  }
  return json;
}

StageReport stage_report(const StagePlan& stage) {
  StageReport report;
  report.passes = stage.passes;
  report.resident_bytes = stage.residency.resident_bytes;
  report.slots = stage.residency.num_slots;
  report.slot_bytes = stage.residency.slot_bytes;
  report.staged_bytes = stage.residency.staged_bytes;
  report.staging_bytes = stage.residency.host_bytes() - stage.residency.staged_bytes;
  report.arena_bytes = stage.arena_bytes;
  report.carried_bytes = stage.kept_bytes;
  report.pass_read_bytes = stage.residency.pass_read_bytes(stage.weights->groups);
  for (std::size_t i = 0; i < stage.weights->groups.size(); ++i) {
    const GroupLayout& group = stage.weights->groups[i];
    report.groups.push_back({group.name, group.num_bytes, std::string(tier_name(stage.residency.tiers[i]))});
  }
  return report;
}

// What a stage holds of the process's memory, less the overhead.
struct HostBytes {
  std::uint64_t weights = 0;
  std::uint64_t activations = 0;
  std::uint64_t scratch = 0;

  std::uint64_t sum() const { return weights + activations + scratch; }
};

HostBytes host_bytes(const StagePlan& stage, bool discrete) {
  if (discrete) return {stage.residency.host_bytes(), stage.kept_bytes, 0};
  return {stage.residency.weights_bytes(),
          stage.kept_bytes + stage.held_bytes + stage.arena_bytes - stage.scratch_bytes, stage.scratch_bytes};
}

std::string decode_text(const DecodeMode& mode) {
  constexpr int kMiBShift = 20;
  switch (mode.kind) {
    case DecodeMode::Kind::kWhole:
      return "whole";
    case DecodeMode::Kind::kBanded:
      return "banded " + std::to_string(mode.layers_bytes >> kMiBShift) + "M";
    case DecodeMode::Kind::kTiled:
      return "tiled " + std::to_string(mode.tile_px);
  }
  return {};
}

// The bytes are those of the stage that needs most.
PhaseReport phase_report(const PlannedPhase& planned, const Job& job, const PlanSettings& settings) {
  const bool discrete = settings.budget.vram_bytes > 0;
  PhaseReport report;
  report.name = phase_name(planned.phase);
  report.window = static_cast<int>(planned.choice.window);
  if (planned.phase == Phase::kDecode) report.decode = decode_text(planned.choice.decode);
  report.overhead_bytes = settings.overhead.ram_bytes;
  for (const StagePlan& stage : planned.stages) {
    report.read_bytes += stage.read_bytes();
    report.flops += stage.flops();
    report.predicted_seconds += predict_seconds(stage, job.activations, settings.rates);
    report.stages.push_back(stage_report(stage));
    if (discrete) {
      const std::uint64_t device_bytes =
          settings.overhead.vram_bytes + stage.residency.device_bytes() + stage.held_bytes + stage.arena_bytes;
      report.planned_device_peak_bytes = std::max(report.planned_device_peak_bytes, device_bytes);
    }
    const HostBytes host = host_bytes(stage, discrete);
    const std::uint64_t peak = host.sum() + settings.overhead.ram_bytes;
    if (peak <= report.planned_peak_bytes) continue;
    report.planned_peak_bytes = peak;
    report.weights_bytes = host.weights;
    report.activations_bytes = host.activations;
    report.scratch_bytes = host.scratch;
  }
  return report;
}

}  // namespace

Plan public_plan(const RequestPlan& plan, const Job& job, const PlanSettings& settings) {
  Plan result;
  result.width = job.width;
  result.height = job.height;
  result.steps = static_cast<int>(job.num_steps());
  for (const PlannedPhase& planned : plan.phases) {
    const PhaseReport& phase = result.phases.emplace_back(phase_report(planned, job, settings));
    result.peak_bytes = std::max(result.peak_bytes, phase.planned_peak_bytes);
    result.device_peak_bytes = std::max(result.device_peak_bytes, phase.planned_device_peak_bytes);
    result.predicted_seconds += phase.predicted_seconds;
  }
  return result;
}

void add_measured(const std::vector<PhaseUse>& used, std::vector<PhaseReport>& phases) {
  for (const PhaseUse& use : used) {
    const auto found = std::find_if(phases.begin(), phases.end(), [&](const auto& p) { return p.name == use.name; });
    if (found == phases.end()) continue;
    found->actual_peak_bytes = use.peak_bytes;
    found->end_bytes = use.end_bytes;
    found->seconds = use.seconds;
    found->major_faults = use.major_faults;
    found->swap_in_bytes = use.swap_in_bytes;
    found->swap_out_bytes = use.swap_out_bytes;
    found->memory_stall_seconds = use.stall_seconds;
  }
}

std::vector<OperationReport> operation_reports(const Profile& profile) {
  std::vector<OperationReport> reports;
  for (std::size_t i = 0; i < profile.classes.size(); ++i) {
    const ClassProfile& each = profile.classes[i];
    if (each.calls == 0) continue;
    reports.push_back({ops::op_class_name(static_cast<ops::OpClass>(i)), each.calls, each.seconds, each.cost.flops});
  }
  return reports;
}

std::string parameters_text(const OpenModel& model, const Job& job, const ImageJob& image) {
  std::ostringstream text;
  text << job.conditionings[image.conditioning].clip << '\n';
  if (job.has_negative && !job.from_embeds)
    text << "Negative prompt: " << job.conditionings[job.negative()].clip << '\n';
  text << "Steps: " << job.num_steps() << ", Sampler: Euler, CFG scale: " << job.true_cfg;
  if (model.flux.guidance_embeds) text << ", Distilled CFG Scale: " << job.guidance;
  if (job.decode == DecodeChoice::kTiled) text << ", Decode: tiled " << job.tile_size;
  text << ", Seed: " << image.seed << ", Size: " << job.width << 'x' << job.height << ", Model: " << model.name
       << ", Version: steadyflux " << version();
  return text.str();
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
  if (shortage) json["shortage"] = shortage_json(*shortage);
  json["prompt_cache"] = {{"kept_embeddings", kept_embeddings}, {"kept_modulations", kept_modulations}};
  json["warnings"] = warnings;
  return dump_json(json);
}

}  // namespace steadyflux
