// What becomes of a tile of matrix products: bias, activation, gate, sum, cast; one pass.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/cpu/convert.h"
#include "ops/ops.h"

namespace steadyflux::cpu {

struct Epilogue {
  const float* bias = nullptr;  // of the tile's columns, optional
  const float* gate = nullptr;  // of the tile's columns, optional; only with accumulate
  ops::Activation activation = ops::Activation::kNone;
  bool accumulate = false;
};

// out[r, c] = act(tile[r, c] + bias[c]), or out[r, c] + gate[c] * that, for a tile of rows x cols whose rows are
// `tile_stride` floats apart. `out` is the first element of the tile in the result; its rows are `out_stride` elements
// apart.
void store_tile(const float* tile, std::int64_t tile_stride, std::int64_t rows, std::int64_t cols,
                const Epilogue& epilogue, std::byte* out, DType out_dtype, std::int64_t out_stride);

}  // namespace steadyflux::cpu
