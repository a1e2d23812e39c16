// The parts of a linear operation, by the numbers in which they multiply (ops::Compute). Those of one kind share an
// input that is made into an operand once, and use the same scratch in turn: the stream keeps them apart.
//
// Each function takes an operation that satisfies ops::check, and does nothing where it has no part of its kind.
// Scratch comes from `arena`, as much on a measuring arena as on a real one: it follows from shapes, types and strides,
// and fewer rows never take more. Errors: kInternal, from CUDA and cuBLASLt. Thread rule: as Backend.
#pragma once

#include "backend/arena.h"
#include "backend/cuda/context.h"
#include "ops/ops.h"

namespace steadyflux::cuda {

// Plans every product and measures the scratch.
void prepare_float_parts(Context& context, const ops::LinearMany& op, Arena& arena);
void run_float_parts(Context& context, const ops::LinearMany& op, Arena& arena);

// The sums of integers are exact. Weights stored as i8 are multiplied where they lie if their address and row length
// are to the library's liking; all others are converted first.
void prepare_int8_parts(Context& context, const ops::LinearMany& op, Arena& arena);
void run_int8_parts(Context& context, const ops::LinearMany& op, Arena& arena);

}  // namespace steadyflux::cuda
