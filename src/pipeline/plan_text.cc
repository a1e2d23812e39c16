#include "pipeline/plan_text.h"

#include <iomanip>
#include <sstream>

#include "base/bytes.h"
#include "pipeline/admit.h"

namespace steadyflux {
namespace {

constexpr int kNameWidth = 10;
constexpr int kColumnWidth = 13;

double mib(std::uint64_t bytes) { return static_cast<double>(bytes) / (1024.0 * 1024.0); }

Json stage_json(const StageReport& stage) {
  Json json = {{"passes", stage.passes},
               {"pass_read_bytes", stage.pass_read_bytes},
               {"resident_bytes", stage.resident_bytes},
               {"slots", stage.slots},
               {"slot_bytes", stage.slot_bytes},
               {"staged_bytes", stage.staged_bytes},
               {"staging_bytes", stage.staging_bytes},
               {"arena_bytes", stage.arena_bytes},
               {"carried_bytes", stage.carried_bytes},
               {"groups", Json::array()}};
  for (const GroupReport& group : stage.groups) {
    json["groups"].push_back({{"name", group.name}, {"bytes", group.bytes}, {"residency", group.residency}});
  }
  return json;
}

}  // namespace

std::string dump_json(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

Json shortage_json(const MemoryShortage& shortage) {
  return {{"planned_bytes", shortage.planned_bytes},
          {"needed_bytes", shortage.needed_bytes},
          {"available_bytes", shortage.available_bytes},
          {"suggestions", shortage.suggestions}};
}

Json phase_plan_json(const PhaseReport& phase) {
  Json json = {{"name", phase.name},
               {"window", phase.window},
               {"weights_bytes", phase.weights_bytes},
               {"activations_bytes", phase.activations_bytes},
               {"scratch_bytes", phase.scratch_bytes},
               {"overhead_bytes", phase.overhead_bytes},
               {"planned_peak_bytes", phase.planned_peak_bytes},
               {"planned_device_peak_bytes", phase.planned_device_peak_bytes},
               {"read_bytes", phase.read_bytes},
               {"flops", phase.flops},
               {"predicted_seconds", phase.predicted_seconds},
               {"stages", Json::array()}};
  if (!phase.decode.empty()) json["decode"] = phase.decode;
  for (const StageReport& stage : phase.stages) json["stages"].push_back(stage_json(stage));
  return json;
}

std::string DoesNotFit::to_text() const {
  std::string text = "does not fit: the phase " + phase + " needs ";
  const auto add = [&](const char* what, std::uint64_t needed, std::uint64_t given) {
    const BytesApart bytes = format_apart(needed, given);
    text += what + bytes.first + ", but " + bytes.second + " is given";
  };
  if (is_ram_short()) add("a budget of ", needed_bytes, budget_bytes);
  if (is_ram_short() && is_vram_short()) text += ", and ";
  if (is_vram_short()) add("device memory of ", needed_vram_bytes, vram_bytes);
  text += ".";
  if (!suggestions.empty()) text += " Any of these fits:";
  for (const std::string& suggestion : suggestions) text += "\n  " + suggestion;
  return text;
}

std::string Plan::to_json() const {
  Json json = {{"width", width},
               {"height", height},
               {"steps", steps},
               {"peak_bytes", peak_bytes},
               {"device_peak_bytes", device_peak_bytes},
               {"budget_bytes", budget_bytes},
               {"predicted_seconds", predicted_seconds},
               {"rates", rates_measured ? "measured" : "default"}};
  for (const PhaseReport& phase : phases) json["phases"].push_back(phase_plan_json(phase));
  if (does_not_fit) {
    json["does_not_fit"] = {{"phase", does_not_fit->phase},
                            {"needed_bytes", does_not_fit->needed_bytes},
                            {"budget_bytes", does_not_fit->budget_bytes},
                            {"needed_vram_bytes", does_not_fit->needed_vram_bytes},
                            {"vram_bytes", does_not_fit->vram_bytes},
                            {"suggestions", does_not_fit->suggestions}};
  }
  if (shortage) json["shortage"] = shortage_json(*shortage);
  return dump_json(json);
}

std::string Plan::to_table() const {
  std::ostringstream text;
  text << std::left << std::setw(kNameWidth) << "phase" << std::right;
  for (const char* column :
       {"weights", "activations", "scratch", "overhead", "peak MiB", "read MiB", "window", "TFLOP", "seconds"}) {
    text << std::setw(kColumnWidth) << column;
  }
  if (device_peak_bytes > 0) text << std::setw(kColumnWidth) << "device MiB";
  text << '\n' << std::fixed;
  for (const PhaseReport& phase : phases) {
    text << std::left << std::setw(kNameWidth) << phase.name << std::right << std::setprecision(1);
    for (const std::uint64_t bytes : {phase.weights_bytes, phase.activations_bytes, phase.scratch_bytes,
                                      phase.overhead_bytes, phase.planned_peak_bytes, phase.read_bytes}) {
      text << std::setw(kColumnWidth) << mib(bytes);
    }
    text << std::setw(kColumnWidth) << phase.window << std::setw(kColumnWidth) << std::setprecision(3)
         << phase.flops / 1e12 << std::setw(kColumnWidth) << std::setprecision(1) << phase.predicted_seconds;
    if (device_peak_bytes > 0) text << std::setw(kColumnWidth) << mib(phase.planned_device_peak_bytes);
    text << '\n';
  }
  for (const PhaseReport& phase : phases) {
    if (!phase.decode.empty()) text << phase.name << ": " << phase.decode << '\n';
  }
  text << "peak " << mib(peak_bytes) << " MiB";
  if (budget_bytes > 0) text << " of a budget of " << mib(budget_bytes) << " MiB";
  if (device_peak_bytes > 0) text << ", on the device " << mib(device_peak_bytes) << " MiB";
  text << ", " << predicted_seconds << " s" << (rates_measured ? "" : " by shipped rates") << "\n";
  if (shortage) text << "not now: " << shortage_figures(*shortage) << "\n";
  return text.str();
}

}  // namespace steadyflux
