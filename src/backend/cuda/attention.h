// The two attention kernels. Each takes an operation that satisfies ops::check; errors are those of a launch.
#pragma once

#include <cuda_runtime_api.h>

#include "ops/ops.h"

namespace steadyflux::cuda {

// q, k and v of bf16 and head_dim at most kFlashHeadDim: products on tensor cores, probabilities rounded to bf16.
inline constexpr std::int64_t kFlashHeadDim = 128;
void launch_flash_attention(const ops::Attention& op, cudaStream_t stream);

// Any types and any head_dim: products in f32.
void launch_plain_attention(const ops::Attention& op, cudaStream_t stream);

}  // namespace steadyflux::cuda
