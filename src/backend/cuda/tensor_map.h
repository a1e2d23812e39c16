// What Hopper's tensor memory unit must know of a tensor to copy boxes of it.
#pragma once

#include <cuda.h>

#include "tensor/tensor.h"

namespace steadyflux::cuda {

// A matrix in the device's memory: the distance of its rows and the first one's address are multiples of 16 bytes.
struct MappedRows {
  const std::byte* data = nullptr;
  DType dtype = DType::kBF16;  // or i8
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t row_stride = 0;  // elements
};

// Whether rows of bf16 are such a matrix.
bool is_mappable(const Tensor& rows);

// The map for boxes of `box_rows` rows (at most 256) and 128 bytes of each; in shared memory as hopper.cuh has boxes.
// Throws Error(kInternal) when the driver refuses.
CUtensorMap make_tensor_map(const MappedRows& matrix, int box_rows);
// Of bf16 rows [rows, heads, head_dim], whose columns are counted over all heads.
CUtensorMap make_tensor_map(const Tensor& rows, int box_rows);

}  // namespace steadyflux::cuda
