// What a run really holds, beside its plan, and how the machine does meanwhile.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "memory/pressure_watch.h"
#include "platform/system_memory.h"

namespace steadyflux {

// The largest process bytes seen since it was made or reset. Thread rule: any thread.
class PeakMeter {
 public:
  void note(std::uint64_t bytes) {
    std::uint64_t peak = peak_.load(std::memory_order_relaxed);
    while (bytes > peak && !peak_.compare_exchange_weak(peak, bytes, std::memory_order_relaxed)) {
    }
  }
  void reset() { peak_.store(0, std::memory_order_relaxed); }
  std::uint64_t bytes() const { return peak_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> peak_ = 0;
};

// What the plan says of one phase.
struct PlannedPeak {
  std::string_view name;  // outlives the monitor
  std::uint64_t bytes = 0;
};

// What one phase of a run used. Process bytes are anonymous and shared memory.
struct PhaseUse {
  std::string name;
  double seconds = 0;
  std::uint64_t peak_bytes = 0;  // largest process bytes seen
  std::uint64_t end_bytes = 0;   // process bytes when it ended, its memory still held
  std::uint64_t major_faults = 0;
  std::uint64_t swap_in_bytes = 0;  // of the whole machine while the phase ran
  std::uint64_t swap_out_bytes = 0;
  double stall_seconds = 0;  // in which some task waited for memory; 0 where the kernel does not tell
};

// One look at a run. Counts are since the run began.
struct MemoryLook {
  std::uint64_t process_bytes = 0;
  std::uint64_t planned_bytes = 0;       // peak of the phase that runs
  std::uint64_t process_swap_bytes = 0;  // of this process, now in swap
  std::uint64_t available_bytes = 0;     // of the machine or group, without swapping
  std::uint64_t swap_in_bytes = 0;       // of the machine
  std::uint64_t swap_out_bytes = 0;      // of the machine
  std::uint64_t major_faults = 0;        // of this process
  double stall_share = 0;                // of the last seconds, in which some task waited for memory
};

// Told by a monitor, on the thread that runs it.
class MonitorListener {
 public:
  virtual ~MonitorListener() = default;
  virtual void on_memory(const MemoryLook&) {}
  // Once for each cause.
  virtual void on_memory_warning(std::string_view) {}
};

// Watches one run. The kernel keeps no high-water mark of anonymous memory alone, but regions are touched when they are
// made and dropped only at a phase's end, so looking at steps and ends sees the peak.
// Borrows everything it is given. Thread rule: one thread.
class Monitor {
 public:
  // `planned`: the phases in the order they will run. `overhead_bytes`: what the plan counts for the program itself.
  Monitor(std::vector<PlannedPeak> planned, std::uint64_t overhead_bytes, const SystemFigures& system, PeakMeter& peak,
          MonitorListener& listener);

  // Phases that have one name are reported as one.
  void begin_phase(std::string_view name);
  // Looks at process memory now, and returns its bytes; also at the system where that was not done for 0.2 s, since it
  // costs five times as much (0.3 ms in all). Allocates nothing unless there is something to warn of.
  std::uint64_t sample();
  // Looks at both where that was not done for 0.2 s: for loops, at the cost of reading a clock.
  void poll();
  // The phase's memory is still held when this is called.
  void end_phase();

  const std::vector<PhaseUse>& phases() const { return phases_; }

 private:
  MemoryFigures figures() const;
  bool is_due() const;
  std::uint64_t look();
  void note(std::uint64_t process_bytes);
  std::uint64_t still_to_take_bytes(std::uint64_t process_bytes) const;

  std::vector<PlannedPeak> planned_;
  const SystemFigures& system_;
  PeakMeter& peak_;
  MonitorListener& listener_;
  PressureWatch watch_;
  std::uint64_t foreign_bytes_ = 0;  // held when the run began by whatever else lives in this process
  std::size_t plan_phase_ = 0;       // of planned_: that runs, or the next to run
  std::size_t use_ = 0;              // of phases_, while a phase runs
  MemoryFigures phase_begin_;
  MemoryFigures last_;
  std::vector<PhaseUse> phases_;
};

}  // namespace steadyflux
