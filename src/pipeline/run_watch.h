// What a monitor sees, in public words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "memory/monitor.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux {

// Passes what is seen on to an observer, and keeps warnings. Borrows everything. Thread rule: that of the monitor.
class RunWatch final : public MonitorListener {
 public:
  RunWatch(const PeakMeter& peak, Observer& observer, std::vector<std::string>& warnings)
      : peak_(peak), observer_(observer), warnings_(warnings) {}

  void on_memory(const MemoryLook& look) override;
  void on_memory_warning(std::string_view warning) override;

 private:
  const PeakMeter& peak_;
  Observer& observer_;
  std::vector<std::string>& warnings_;
};

// For a monitor of the plan's run; the names are the plan's.
std::vector<PlannedPeak> planned_peaks(const Plan& plan);

// The state while nothing runs. Counts are since the machine and the process began.
MemoryUse memory_now(const SystemFigures& system, PeakMeter& peak);

}  // namespace steadyflux
