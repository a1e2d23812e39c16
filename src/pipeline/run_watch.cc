#include "pipeline/run_watch.h"

namespace steadyflux {

void RunWatch::on_memory(const MemoryLook& look) {
  MemoryUse use;
  use.current_bytes = look.process_bytes;
  use.peak_bytes = peak_.bytes();
  use.planned_bytes = look.planned_bytes;
  use.process_swap_bytes = look.process_swap_bytes;
  use.available_bytes = look.available_bytes;
  use.swap_in_bytes = look.swap_in_bytes;
  use.swap_out_bytes = look.swap_out_bytes;
  use.major_faults = look.major_faults;
  use.memory_stall_share = look.stall_share;
  observer_.on_memory(use);
}

void RunWatch::on_memory_warning(std::string_view warning) {
  warnings_.emplace_back(warning);
  observer_.on_warning(warning);
}

std::vector<PlannedPeak> planned_peaks(const Plan& plan) {
  std::vector<PlannedPeak> peaks;
  for (const PhaseReport& phase : plan.phases) peaks.push_back({phase.name, phase.planned_peak_bytes});
  return peaks;
}

MemoryUse memory_now(const SystemFigures& system, PeakMeter& peak) {
  const ProcessMemory process = process_memory();
  const SystemPressure pressure = system.pressure();
  peak.note(process.charged_bytes());
  MemoryUse use;
  use.current_bytes = process.charged_bytes();
  use.peak_bytes = peak.bytes();
  use.process_swap_bytes = process.swap_bytes;
  use.available_bytes = system.memory().usable_available_bytes();
  use.swap_in_bytes = pressure.swapped_in_bytes;
  use.swap_out_bytes = pressure.swapped_out_bytes;
  use.major_faults = process.major_faults;
  return use;
}

}  // namespace steadyflux
