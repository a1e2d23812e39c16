// Tiles of queries, keys and values in shared memory, and their products on tensor cores, for flash_attention.cu.
#pragma once

#include "backend/cuda/device.cuh"

namespace steadyflux::cuda::flash {

inline constexpr int kQueries = 128;
inline constexpr int kKeys = 64;
inline constexpr int kWarps = 4;
inline constexpr int kThreads = kWarps * kWarp;
inline constexpr int kTile = 16;                              // rows of a product of the tensor cores
inline constexpr int kWarpTiles = kQueries / kWarps / kTile;  // of rows, for each warp
inline constexpr int kColumns = 8;                            // of a product of the tensor cores
inline constexpr int kUnit = 8;                               // elements copied at once, 16 bytes

// One of q, k and v: rows of bf16.
struct Rows {
  const __nv_bfloat16* data = nullptr;
  std::int64_t stride = 0;
  int count = 0;
};

// Where unit `unit` of a row of a tile lies: rows of whole units, their order changed so that the eight rows of a
// matrix that is loaded at once lie in different banks.
template <int kHeadDim>
__device__ __nv_bfloat16* unit_of(__nv_bfloat16* tile, int row, int unit) {
  return tile + row * kHeadDim + (unit ^ (row % 8)) * kUnit;
}

// Begins to copy kRows rows of one head from `first` on; zeros outside the tensor. If kAligned, rows begin and end
// between units; otherwise elements are copied one by one, at once.
template <int kHeadDim, int kRows, bool kAligned>
__device__ void begin_tile(__nv_bfloat16* tile, const Rows& rows, int first, int head, int head_dim) {
  constexpr int kUnits = kHeadDim / kUnit;
  const int head_begin = head * head_dim;
#pragma unroll 4
  for (int i = static_cast<int>(threadIdx.x); i < kRows * kUnits; i += kThreads) {
    const int row = i / kUnits;
    const int unit = i % kUnits;
    __nv_bfloat16* const to = unit_of<kHeadDim>(tile, row, unit);
    const bool row_present = first + row < rows.count;
    const __nv_bfloat16* from = rows.data + head_begin;
    if constexpr (kAligned) {
      const bool present = row_present && unit * kUnit < head_dim;
      if (present) from += (first + row) * rows.stride + unit * kUnit;
      begin_copy(to, from, present);
    } else {
      if (row_present) from += (first + row) * rows.stride + unit * kUnit;
      for (int e = 0; e < kUnit; ++e) {
        to[e] = row_present && unit * kUnit + e < head_dim ? from[e] : __float2bfloat16_rn(0.0f);
      }
    }
  }
}

// The rows of one warp while it goes through the keys. A lane has, of each tile of 16 rows, two: lane / 4, and that
// plus 8.
template <int kHeadDim>
struct WarpRows {
  float sums[kWarpTiles][kHeadDim / kColumns][4] = {};  // of probabilities times values
  float largest[kWarpTiles][2];                         // score so far, times log2(e)
  float total[kWarpTiles][2] = {};                      // of this lane's probabilities
};

using Scores = float[kWarpTiles][kKeys / kColumns][4];

template <int kHeadDim>
__device__ void multiply_keys(__nv_bfloat16* q_tile, __nv_bfloat16* k_tile, Scores& scores) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp_row = static_cast<int>(threadIdx.x) / kWarp * kWarpTiles * kTile;
#pragma unroll
  for (int depth = 0; depth < kHeadDim; depth += kTile) {
    const int unit = depth / kUnit;
    std::uint32_t q[kWarpTiles][4];
#pragma unroll
    for (int tile = 0; tile < kWarpTiles; ++tile) {
      load_matrices(q[tile], unit_of<kHeadDim>(q_tile, warp_row + tile * kTile + lane % 16, unit + lane / 16));
    }
#pragma unroll
    for (int key = 0; key < kKeys; key += 2 * kColumns) {
      std::uint32_t k[4];
      load_matrices(k, unit_of<kHeadDim>(k_tile, key + lane / 16 * 8 + lane % 8, unit + lane / 8 % 2));
#pragma unroll
      for (int tile = 0; tile < kWarpTiles; ++tile) {
        multiply_add(scores[tile][key / kColumns], q[tile], k);
        multiply_add(scores[tile][key / kColumns + 1], q[tile], k + 2);
      }
    }
  }
}

template <int kHeadDim>
__device__ void multiply_values(const Scores& probabilities, __nv_bfloat16* v_tile, WarpRows<kHeadDim>& rows) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int key = 0; key < kKeys; key += kTile) {
    std::uint32_t p[kWarpTiles][4];
#pragma unroll
    for (int tile = 0; tile < kWarpTiles; ++tile) {
      const auto& left = probabilities[tile][key / kColumns];
      const auto& right = probabilities[tile][key / kColumns + 1];
      p[tile][0] = bf16_pair(left[0], left[1]);
      p[tile][1] = bf16_pair(left[2], left[3]);
      p[tile][2] = bf16_pair(right[0], right[1]);
      p[tile][3] = bf16_pair(right[2], right[3]);
    }
#pragma unroll
    for (int column = 0; column < kHeadDim; column += 2 * kColumns) {
      std::uint32_t v[4];
      load_matrices_transposed(v, unit_of<kHeadDim>(v_tile, key + lane % 16, column / kUnit + lane / 16));
#pragma unroll
      for (int tile = 0; tile < kWarpTiles; ++tile) {
        multiply_add(rows.sums[tile][column / kColumns], p[tile], v);
        multiply_add(rows.sums[tile][column / kColumns + 1], p[tile], v + 2);
      }
    }
  }
}

}  // namespace steadyflux::cuda::flash
