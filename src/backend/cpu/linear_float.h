// Linear layers in f32 or bf16: the input is copied once for all parts where it is not multiplied as it lies, weights
// by the task that multiplies them.
#pragma once

#include <cstddef>

#include "backend/cpu/context.h"
#include "ops/ops.h"

namespace steadyflux::cpu {

// Of an operation with parts in floats; empty otherwise.
struct FloatScratch {
  std::byte* x = nullptr;  // a block of the input, strip after strip: [strips, rows, depth]
  PerWorker<float> sums;
  PerWorker<float> vectors;  // the tile's bias and gate
  PerWorker<std::byte> w;
  PerWorker<std::byte> w_rows;  // that are being turned over
  PerWorker<std::byte> of_library;
};

// Prepares every product in floats and lays its scratch out.
FloatScratch prepare_float(Context& context, const ops::LinearMany& op, Arena& arena);

// Computes the parts in floats, if there are any.
void run_float_parts(Context& context, const ops::LinearMany& op, const FloatScratch& scratch);

}  // namespace steadyflux::cpu
