#include "memory/plan.h"

#include <algorithm>
#include <iomanip>
#include <sstream>

#include "base/error.h"

namespace steadyflux {
namespace {

constexpr int kNameWidth = 10;
constexpr int kColumnWidth = 13;

double mib(std::uint64_t bytes) { return static_cast<double>(bytes) / (1024.0 * 1024.0); }

}  // namespace

std::uint64_t MemoryPlan::peak_bytes() const {
  std::uint64_t peak = 0;
  for (const PhasePlan& phase : phases) peak = std::max(peak, phase.peak_bytes());
  return peak;
}

const PhasePlan& MemoryPlan::phase(std::string_view name) const {
  const auto found = std::find_if(phases.begin(), phases.end(), [&](const PhasePlan& p) { return p.name == name; });
  ensure(found != phases.end(), "the plan has no phase '", name, "'");
  return *found;
}

std::string format_table(const MemoryPlan& plan) {
  std::ostringstream text;
  text << std::left << std::setw(kNameWidth) << "phase" << std::right;
  for (const char* column : {"weights", "activations", "scratch", "overhead", "peak MiB", "read MiB", "TFLOP"}) {
    text << std::setw(kColumnWidth) << column;
  }
  text << '\n' << std::fixed;
  for (const PhasePlan& phase : plan.phases) {
    text << std::left << std::setw(kNameWidth) << phase.name << std::right << std::setprecision(1);
    for (const std::uint64_t bytes : {phase.weights_bytes, phase.activations_bytes, phase.scratch_bytes,
                                      phase.overhead_bytes, phase.peak_bytes(), phase.read_bytes}) {
      text << std::setw(kColumnWidth) << mib(bytes);
    }
    text << std::setw(kColumnWidth) << std::setprecision(3) << phase.flops / 1e12 << '\n';
  }
  text << std::setprecision(1) << "peak " << mib(plan.peak_bytes()) << " MiB\n";
  return text.str();
}

}  // namespace steadyflux
