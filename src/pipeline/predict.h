// How long a plan will take.
#pragma once

#include "memory/rates.h"
#include "pipeline/measuring_runner.h"

namespace steadyflux {

// Seconds of one stage: its first touch of memory, then every pass, of which reading (in the first, of all weights)
// hides behind computing or the other way round. `activations` is the dtype between operations.
double predict_seconds(const StagePlan& stage, DType activations, const Rates& rates);

}  // namespace steadyflux
