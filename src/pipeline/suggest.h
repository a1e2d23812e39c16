// The nearest requests that do fit.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "pipeline/job.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux {

// Changes to a request that does not fit, as flags, each of which alone makes it fit; `fits` answers for a changed
// request. The first is the budget that would do, as `refusal` states it.
std::vector<std::string> suggest_changes(const Job& job, const EngineOptions& options, const Request& request,
                                         const DoesNotFit& refusal,
                                         FunctionRef<bool(const EngineOptions&, const Request&)> fits);

}  // namespace steadyflux
