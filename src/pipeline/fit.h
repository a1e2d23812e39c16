// Fitting the stages of a phase into a budget.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "pipeline/measuring_runner.h"

namespace steadyflux {

// What a plan leaves unused, for what no plan sees: max(64 MiB, 1 %) of the budget.
std::uint64_t budget_reserve_bytes(std::uint64_t budget_bytes);

// Chooses for every stage which groups stay in memory, so that the process stays within `budget_bytes` less the
// reserve. Where that cannot be, the answer is the smallest budget that all stages fit; otherwise nothing.
// Stages are independent: each has its own weights.
std::optional<std::uint64_t> fit_stages(std::vector<StagePlan>& stages, std::uint64_t overhead_bytes,
                                        std::uint64_t budget_bytes);

}  // namespace steadyflux
