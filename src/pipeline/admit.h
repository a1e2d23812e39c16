// Whether the system can carry out a plan now, in public words.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/function_ref.h"
#include "platform/system_memory.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux {

// What the system cannot give of `plan` at this moment, and what to do; nothing when it can give all of it.
// `overhead_bytes` is what the plan counts for the program itself; `fits` tells whether the request fits another
// budget.
std::optional<MemoryShortage> check_admission(const Plan& plan, std::uint64_t overhead_bytes,
                                              const SystemFigures& system,
                                              FunctionRef<bool(std::uint64_t budget_bytes)> fits);

// The figures in one sentence.
std::string shortage_figures(const MemoryShortage& shortage);

// What a run that goes on all the same is warned of.
std::string forced_warning(const MemoryShortage& shortage);

}  // namespace steadyflux
