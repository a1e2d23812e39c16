// What Hopper's tensor memory unit must know of a tensor to copy boxes of it.
#pragma once

#include <cuda.h>

#include "tensor/tensor.h"

namespace steadyflux::cuda {

// Whether such a map can be made of rows of bf16: their distance and the first one's address are multiples of 16 bytes.
bool is_mappable(const Tensor& rows);

// The map of bf16 rows [rows, heads, head_dim] for boxes of `box_rows` rows (at most 256) and 64 columns, counted over
// all heads; in shared memory as hopper.cuh has boxes. Throws Error(kInternal) when the driver refuses.
CUtensorMap make_tensor_map(const Tensor& rows, int box_rows);

}  // namespace steadyflux::cuda
