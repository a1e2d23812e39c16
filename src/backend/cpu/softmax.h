// The row work of attention: running softmax and the scaling of sums that goes with it.
#pragma once

#include <cstdint>

#include "base/dtype.h"

namespace steadyflux::cpu {

// One query row's state over the chunks of keys: the largest score so far and the sum of e^(score - maximum).
struct RunningSoftmax {
  float maximum;
  float sum;
};

// Takes one chunk of raw products into the running softmax of a row: score = scale * product (+ bias), in place of the
// products or not at all. The weights e^(score - maximum) of the first `valid` keys go to `weights` in `dtype` (f32 or
// bf16), zeros to the rest of the `count` keys. `weights` may be `scores`. Returns the factor that earlier sums of this
// row have to be multiplied with. In the first chunk of a row (sum 0) at least one key is valid.
float softmax_chunk(float* scores, std::int64_t valid, std::int64_t count, float scale, const float* bias,
                    RunningSoftmax& state, void* weights, DType dtype);

// row[i] *= factor
void scale_row(float* row, std::int64_t count, float factor);

}  // namespace steadyflux::cpu
