// Products of integers of 8 bits on Hopper with everything that follows them, so that no sums go through memory.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "backend/cuda/view.h"

namespace steadyflux::cuda {

// How many parts one product can have.
inline constexpr int kMostHopperParts = 4;

// out = result, gelu_tanh(result) or out + gate * result, rounded once, where
// result = (x weight^T) * (x_scales[row] * scales[feature]) + bias.
struct HopperPart {
  const std::byte* weight = nullptr;  // rows of x's depth, one after another; aligned to 16 bytes
  const float* scales = nullptr;      // of its rows
  std::int64_t features = 0;
  View out = {};   // f32 or bf16, aligned to an element
  View bias = {};  // one row, optional
  View gate = {};  // one row, optional; only with `accumulate`
  bool gelu = false;
  bool accumulate = false;  // not with `gelu`
};

// Parts that share an input and together fill the multiprocessors. An element's bits do not depend on the other rows
// and parts.
struct HopperLinear {
  const std::byte* x = nullptr;     // rows, one after another; aligned to 16 bytes
  const float* x_scales = nullptr;  // of rows
  std::int64_t rows = 0;
  std::int64_t depth = 0;                  // a multiple of 16
  std::span<const HopperPart> parts = {};  // 1 to kMostHopperParts
};

// Whether this build has code for Hopper.
bool has_hopper_linear() noexcept;

// How many blocks share the rows of a weight that they copy, 1 or 2: what is fastest for so many rows.
int hopper_cluster(std::int64_t rows) noexcept;

// Errors are those of a launch. `cluster` does not change a bit of the result.
void launch_hopper_linear(const HopperLinear& product, int cluster, int num_multiprocessors, cudaStream_t stream);

}  // namespace steadyflux::cuda
