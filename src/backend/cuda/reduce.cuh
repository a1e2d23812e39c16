// Sums and maxima over the threads of a warp or a block, always in the same order.
#pragma once

#include "backend/cuda/device.cuh"

namespace steadyflux::cuda {

// Over the kLanes lanes (a power of two) whose numbers differ in the lowest bits only; every lane gets it.
template <int kLanes = kWarp>
__device__ float sum_over_lanes(float value) {
#pragma unroll
  for (int mask = kLanes / 2; mask > 0; mask /= 2) value += shuffle_xor(value, mask);
  return value;
}

template <int kLanes = kWarp>
__device__ float largest_over_lanes(float value) {
#pragma unroll
  for (int mask = kLanes / 2; mask > 0; mask /= 2) value = fmaxf(value, shuffle_xor(value, mask));
  return value;
}

// What the next two need of shared memory: its first kWarp floats, which are free again once all threads have returned
// from the next sync_block.
inline constexpr std::size_t kBlockResultBytes = kWarp * sizeof(float);

// Puts the results of a block's warps, of which every lane has that of its own, together: lane l gets warp l's, and 0
// where there is none.
__device__ inline float exchange_over_block(float result_of_warp) {
  float* const results = shared_memory<float>();
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int num_warps = static_cast<int>(blockDim.x) / kWarp;
  sync_block();
  if (lane == 0) results[warp] = result_of_warp;
  sync_block();
  return lane < num_warps ? results[lane] : 0.0f;
}

// Over a block of whole warps, blockDim.x threads; every thread gets it.
__device__ inline float sum_over_block(float value) {
  return sum_over_lanes(exchange_over_block(sum_over_lanes(value)));
}

// The same of numbers that are not negative.
__device__ inline float largest_over_block(float value) {
  return largest_over_lanes(exchange_over_block(largest_over_lanes(value)));
}

}  // namespace steadyflux::cuda
