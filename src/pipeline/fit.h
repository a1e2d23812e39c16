// Fitting the stages of a request into a budget.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "pipeline/measuring_runner.h"

namespace steadyflux {

// What a plan leaves unused, for what no plan sees: max(64 MiB, 1 %) of the budget.
std::uint64_t budget_reserve_bytes(std::uint64_t budget_bytes);

struct Shortfall {
  std::string_view phase;          // the first stage that does not fit
  std::uint64_t needed_bytes = 0;  // the smallest budget that all stages fit
};

// Chooses for every stage which groups stay in memory, so that the process stays within `budget_bytes` less the
// reserve; says what is missing when that cannot be. Stages of one phase are independent: each has its own weights.
std::optional<Shortfall> fit_stages(std::vector<StagePlan>& stages, std::uint64_t overhead_bytes,
                                    std::uint64_t budget_bytes);

}  // namespace steadyflux
