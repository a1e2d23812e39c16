// Fitting the stages of a phase into a budget.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "pipeline/measuring_runner.h"

namespace steadyflux {

// What a plan leaves unused, for what no plan sees: max(64 MiB, 1 %) of the budget.
std::uint64_t budget_reserve_bytes(std::uint64_t budget_bytes);

// A budget, or what one must be, of the process's memory and of a discrete device's.
struct Budget {
  std::uint64_t ram_bytes = 0;   // 0: none, as much as there is
  std::uint64_t vram_bytes = 0;  // 0 where the device's memory is the host's
};

// What is taken whatever the stages do.
struct Overhead {
  std::uint64_t ram_bytes = 0;
  std::uint64_t vram_bytes = 0;
};

// Chooses for every stage where its groups live, so that process and device stay within `budget` less the reserves.
// Where that cannot be, the answer is the smallest budget of either memory that all stages fit; otherwise nothing.
// Stages are independent: each has its own weights.
std::optional<Budget> fit_stages(std::vector<StagePlan>& stages, const Overhead& overhead, const Budget& budget);

}  // namespace steadyflux
