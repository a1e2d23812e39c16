// One thread for every four elements of a matrix.
#pragma once

#include <algorithm>

#include "backend/cuda/elements.cuh"
#include "base/checked.h"

namespace steadyflux::cuda {

template <typename F>
__global__ void on_quads(std::int64_t rows, std::int64_t width, F f) {
  const std::int64_t column = (std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x) * kQuad;
  if (column >= width) return;
  const int count = columns_of_quad(width, column);
  const std::int64_t step = std::int64_t{gridDim.y} * blockDim.y;
  for (std::int64_t row = std::int64_t{blockIdx.y} * blockDim.y + threadIdx.y; row < rows; row += step) {
    f(row, column, count);
  }
}

// Calls f(row, column, count) on the device for columns [column, column + count) of every row, at most four of them.
// `f` is copied to the device; it may write nothing but what it alone reads.
template <typename F>
void launch_on_quads(std::int64_t rows, std::int64_t width, cudaStream_t stream, const F& f) {
  constexpr unsigned kThreads = 256;
  constexpr std::int64_t kMostBlocks = 65535;  // along y
  unsigned across = 1;
  while (across < kThreads && std::int64_t{across} * kQuad < width) across *= 2;
  const unsigned down = kThreads / across;
  const dim3 blocks(static_cast<unsigned>(ceil_div(ceil_div(width, kQuad), across)),
                    static_cast<unsigned>(std::min(ceil_div(rows, down), kMostBlocks)));
  launch(on_quads<F>, blocks, dim3(across, down), 0, stream, rows, width, f);
}

}  // namespace steadyflux::cuda
