// Linear layers in f32 or bf16: the input is copied once for all parts where it is not multiplied as it lies, weights
// by the task that multiplies them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cpu/context.h"
#include "ops/ops.h"

namespace steadyflux::cpu {

// In f32, with more rows than these, weights are worth turning over to [k, n] on their way into the panel: on 64 rows
// and more 3 % faster than [n, k] with AVX-512, 11 % with AVX2.
inline constexpr std::int64_t kMostFewRows = 63;

// Of an operation with parts in floats; empty otherwise.
struct FloatScratch {
  std::byte* x = nullptr;  // a block of the input, strip after strip: [strips, rows, depth]
  PerWorker<float> sums;
  PerWorker<float> vectors;  // the tile's bias and gate
  PerWorker<std::byte> w;
  PerWorker<std::byte> w_rows;  // that are being turned over
  PerWorker<std::byte> of_library;
};

// Prepares every product in floats of the operation's first `rows` rows and lays its scratch out. Up to kMostFewRows
// and beyond it more rows never need less, but not across it: there the work is cut in another way.
FloatScratch prepare_float(Context& context, const ops::LinearMany& op, std::int64_t rows, Arena& arena);

// Computes the parts in floats, if there are any.
void run_float_parts(Context& context, const ops::LinearMany& op, const FloatScratch& scratch);

}  // namespace steadyflux::cpu
