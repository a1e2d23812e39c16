// T5's relative positions: what every attention score gains for the distance between query and key.
#pragma once

#include "backend/executor.h"
#include "model/t5/t5.h"

namespace steadyflux {

// The learned table [num_buckets, num_heads] expanded to distances, as ops::Attention takes it:
// [num_heads, 2 * tokens - 1] f32 in the arena.
Tensor expand_relative_bias(const Executor& executor, const T5Config& config, const Tensor& table, std::int64_t tokens);

}  // namespace steadyflux
