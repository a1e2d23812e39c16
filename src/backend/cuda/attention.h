// The attention kernels. Each takes an operation that satisfies ops::check; errors are those of a launch.
#pragma once

#include <cuda_runtime_api.h>

#include "ops/ops.h"

namespace steadyflux::cuda {

// q, k and v of bf16 and head_dim at most kFlashHeadDim: products on tensor cores, probabilities rounded to bf16.
inline constexpr std::int64_t kFlashHeadDim = 128;
void launch_flash_attention(const ops::Attention& op, cudaStream_t stream);

// The same on Hopper, for the large attentions of FLUX.1. `takes` says which operations it takes: heads 128 wide, rows
// that begin at multiples of 16 bytes, neither mask nor bias; none where the build has no code for Hopper.
bool hopper_attention_takes(const ops::Attention& op) noexcept;
void launch_hopper_attention(const ops::Attention& op, int num_multiprocessors, cudaStream_t stream);

// Any types and any head_dim: products in f32.
void launch_plain_attention(const ops::Attention& op, cudaStream_t stream);

}  // namespace steadyflux::cuda
