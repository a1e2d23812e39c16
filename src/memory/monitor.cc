#include "memory/monitor.h"

#include <algorithm>
#include <chrono>

#include "platform/process_memory.h"
#include "platform/system_memory.h"

namespace steadyflux {
namespace {

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

void Monitor::begin_phase(std::string_view name) {
  PhaseUse& phase = phases_.emplace_back();
  phase.name = name;
  begin_seconds_ = now_seconds();
  begin_major_faults_ = process_memory().major_faults;
  const SystemPressure pressure = SystemFigures().pressure();
  begin_swap_in_ = pressure.swapped_in_bytes;
  begin_swap_out_ = pressure.swapped_out_bytes;
}

std::uint64_t Monitor::sample() {
  const std::uint64_t bytes = process_memory().charged_bytes();
  if (!phases_.empty()) phases_.back().peak_bytes = std::max(phases_.back().peak_bytes, bytes);
  return bytes;
}

void Monitor::end_phase() {
  sample();
  PhaseUse& phase = phases_.back();
  phase.seconds = now_seconds() - begin_seconds_;
  phase.major_faults = process_memory().major_faults - begin_major_faults_;
  const SystemPressure pressure = SystemFigures().pressure();
  phase.swap_in_bytes = pressure.swapped_in_bytes - begin_swap_in_;
  phase.swap_out_bytes = pressure.swapped_out_bytes - begin_swap_out_;
}

}  // namespace steadyflux
