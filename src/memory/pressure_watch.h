// Notices that the system runs out of memory under a run.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/function_ref.h"
#include "platform/process_memory.h"
#include "platform/system_memory.h"

namespace steadyflux {

// Everything that is looked at, at one moment.
struct MemoryFigures {
  double seconds = 0;  // of a clock that never goes back
  ProcessMemory process;
  SystemMemory system;
  SystemPressure pressure;
};

// Compares figures with those of the run's beginning. Warns once for each cause:
//  * swap: the machine moved 16 MiB to or from swap, or 1 MiB of this process is in swap that was not before;
//  * taken: less memory is available than the plan still takes;
//  * stall: over 5 s, some task waited for memory more than a tenth of the time.
// Thread rule: one thread.
class PressureWatch {
 public:
  using Warn = FunctionRef<void(std::string_view)>;

  explicit PressureWatch(const MemoryFigures& begin) : begin_(begin), window_begin_(begin) {}

  // `still_to_take_bytes`: what the plan takes beyond what the process holds. Allocates nothing unless it warns.
  void look(const MemoryFigures& now, std::uint64_t still_to_take_bytes, Warn warn);

  // Share of the last whole window of 5 s in which some task waited for memory; 0 before there was one.
  double stall_share() const { return stall_share_; }

  const MemoryFigures& begin() const { return begin_; }

 private:
  enum Cause : std::uint8_t { kSwap, kTaken, kStall, kNumCauses };

  bool first_time(Cause cause);
  void look_at_swap(const MemoryFigures& now, Warn warn);
  void look_at_available(const MemoryFigures& now, std::uint64_t still_to_take_bytes, Warn warn);
  void look_at_stalls(const MemoryFigures& now, Warn warn);

  MemoryFigures begin_;
  MemoryFigures window_begin_;
  double stall_share_ = 0;
  std::array<bool, kNumCauses> warned_ = {};
};

}  // namespace steadyflux
