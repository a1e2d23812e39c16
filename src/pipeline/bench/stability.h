// Whether run N costs what run 1 cost: what runs that follow each other took, and what became of it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace steadyflux::bench {

// One generation. Counts are of this run alone.
struct StabilityRun {
  double seconds = 0;
  double probe_seconds = 0;         // of a fixed product just before and after it: how fast the machine was then
  std::uint64_t read_bytes = 0;     // from weight files
  double flops = 0;                 // planned
  std::uint64_t allocations = 0;    // calls of operator new
  std::uint64_t minor_faults = 0;   // page faults that waited for no disk
  std::uint64_t major_faults = 0;   // page faults that waited for one
  std::uint64_t process_bytes = 0;  // held after it
};

// The seconds of every run, brought to the machine's median speed by its probe.
std::vector<double> normalised_seconds(std::span<const StabilityRun> runs);

// The median of the slopes of all pairs (Theil and Sen), in percent of the median for each step. `values` has two or
// more.
double theil_sen_percent(std::span<const double> values);

// The median of the last `count` over that of the first; of the halves where there are less than twice as many.
double last_to_first(std::span<const double> values, std::size_t count = 5);

// Largest less smallest. `values` is not empty.
std::uint64_t span_of(std::span<const std::uint64_t> values);

}  // namespace steadyflux::bench
