// Linear layers in integers of 8 bits (ops::Compute::kInt8): each row of the input is converted once for all parts,
// each row of a weight by the task that multiplies it. The sums are exact, so that no cut of the work changes a bit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cpu/context.h"
#include "ops/ops.h"

namespace steadyflux::cpu {

// Of an operation with parts in int8; empty otherwise.
struct Int8Scratch {
  std::byte* x = nullptr;               // the input's integers, strip after strip: [strips, rows, depth]
  float* x_scales = nullptr;            // [rows]
  PerWorker<float> row;                 // a row as f32
  PerWorker<std::byte> w;               // a tile's integers, strip after strip: [strips, cols, depth]
  PerWorker<float> w_scales;            // [cols]
  PerWorker<std::int32_t> corrections;  // what bytes of x that are 128 too large add to the sums: [cols]
  PerWorker<float> sums;                // of i32, then f32: [rows, cols]
  PerWorker<float> vectors;             // the tile's bias and gate
  PerWorker<std::byte> of_library;
};

// Prepares every product in int8 and lays its scratch out.
Int8Scratch prepare_int8(Context& context, const ops::LinearMany& op, Arena& arena);

// Computes the parts in int8, if there are any.
void run_int8_parts(Context& context, const ops::LinearMany& op, const Int8Scratch& scratch);

}  // namespace steadyflux::cpu
