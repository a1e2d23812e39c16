// The operations that are matrix products, or made of them: scratch and runs.
//
// The scratch of each follows from shapes, types and strides. Each takes an operation that satisfies ops::check and
// scratch of the size that scratch_bytes told. Errors: kInternal, from CUDA and cuBLASLt. Thread rule: as Backend.
#pragma once

#include <cstddef>
#include <span>

#include "backend/cuda/context.h"
#include "ops/ops.h"

namespace steadyflux::cuda {

std::size_t scratch_bytes(Context& context, const ops::LinearMany& op);
void run(Context& context, const ops::LinearMany& op, std::span<std::byte> scratch);

std::size_t scratch_bytes(Context& context, const ops::Conv2d& op);
void run(Context& context, const ops::Conv2d& op, std::span<std::byte> scratch);

// Needs no scratch.
void run(Context& context, const ops::Attention& op);

}  // namespace steadyflux::cuda
