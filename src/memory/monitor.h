// What a run really held: process bytes per phase, beside the plan.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace steadyflux {

struct PhaseUse {
  std::string name;
  double seconds = 0;
  std::uint64_t peak_bytes = 0;  // largest process bytes (anonymous + shared memory) seen
  std::uint64_t major_faults = 0;
  std::uint64_t swap_in_bytes = 0;  // of the whole machine while the phase ran
  std::uint64_t swap_out_bytes = 0;
};

// Collects samples of process memory. The kernel keeps no high-water mark of anonymous memory alone, but regions are
// touched when they are made and dropped only at a phase's end, so sampling at steps and ends sees the peak.
// Thread rule: one thread.
class Monitor {
 public:
  void begin_phase(std::string_view name);
  // Looks at process memory now; returns it. Allocates nothing.
  std::uint64_t sample();
  // The phase's memory is still held when this is called.
  void end_phase();

  const std::vector<PhaseUse>& phases() const { return phases_; }

 private:
  std::vector<PhaseUse> phases_;
  double begin_seconds_ = 0;
  std::uint64_t begin_major_faults_ = 0;
  std::uint64_t begin_swap_in_ = 0;
  std::uint64_t begin_swap_out_ = 0;
};

}  // namespace steadyflux
