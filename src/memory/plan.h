// A plan: what every phase of a request will hold, read and compute, known before a weight is read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace steadyflux {

// One phase. Bytes are of memory held at the phase's peak; their sum is what the process may reach.
struct PhasePlan {
  std::string name;
  std::uint64_t weights_bytes = 0;      // groups in memory
  std::uint64_t activations_bytes = 0;  // arena less scratch, and what passes from phase to phase
  std::uint64_t scratch_bytes = 0;      // working memory of single operations
  std::uint64_t overhead_bytes = 0;     // the program itself: heap, thread stacks, generated code
  std::uint64_t arena_bytes = 0;        // size of the phase's arena: contained in activations and scratch
  std::uint64_t read_bytes = 0;         // from disk
  double flops = 0;

  std::uint64_t peak_bytes() const { return weights_bytes + activations_bytes + scratch_bytes + overhead_bytes; }
};

struct MemoryPlan {
  std::vector<PhasePlan> phases;

  std::uint64_t peak_bytes() const;
  // Throws Error(kInternal) when there is no such phase.
  const PhasePlan& phase(std::string_view name) const;
};

// The plan as a table for people: a row a phase, columns in MiB.
std::string format_table(const MemoryPlan& plan);

}  // namespace steadyflux
