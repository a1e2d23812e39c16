// Attention of bf16 on tensor cores, with the softmax done as the keys go by (Dao, "FlashAttention-2", 2023).
//
// A block has kQueries queries of one head, a warp a quarter of them, and goes through the keys kKeys at a time. Keys
// and values of one round are copied to shared memory while the other's are being multiplied: those of the next keys
// during the product with the values, those of the values during the product with the keys.
#include "backend/cuda/attention.h"
#include "backend/cuda/elements.cuh"
#include "backend/cuda/flash_tiles.cuh"
#include "backend/cuda/reduce.cuh"
#include "base/checked.h"

namespace steadyflux::cuda {
namespace {

using namespace flash;

constexpr float kLog2E = 1.4426950408889634f;

struct FlashParameters {
  Rows q, k, v;
  View out;
  const float* bias = nullptr;  // [heads, q_rows + kv_rows - 1], optional
  std::int64_t bias_stride = 0;
  int head_dim = 0;
  float scale = 1;
  bool causal = false;
};

// Calls f(tile, half, row of the operation) for each of this lane's rows.
template <typename F>
__device__ void for_each_row(int first_query, const F& f) {
  const int thread = static_cast<int>(threadIdx.x);
  const int warp_row = thread / kWarp * kWarpTiles * kTile;
#pragma unroll
  for (int tile = 0; tile < kWarpTiles; ++tile) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      f(tile, half, first_query + warp_row + tile * kTile + half * 8 + thread % kWarp / 4);
    }
  }
}

// Products to scores in units of log2(e): scaled, biased, and minus infinity where a key is not to be seen.
template <bool kGeneral>
__device__ void finish_scores(const FlashParameters& parameters, int first_query, int first_key, int head,
                              Scores& scores) {
  const float scale = parameters.scale * kLog2E;
  const bool masked = first_key + kKeys > parameters.k.count || (kGeneral && parameters.causal);
  for_each_row(first_query, [&](int tile, int half, int row) {
#pragma unroll
    for (int part = 0; part < kKeys / kColumns; ++part) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int key = first_key + part * kColumns + static_cast<int>(threadIdx.x) % 4 * 2 + e;
        float& score = scores[tile][part][half * 2 + e];
        score *= scale;
        if constexpr (kGeneral) {
          if (parameters.bias != nullptr && row < parameters.q.count && key < parameters.k.count) {
            score += parameters.bias[head * parameters.bias_stride + key - row + parameters.q.count - 1] * kLog2E;
          }
        }
        const bool hidden = key >= parameters.k.count || (kGeneral && parameters.causal && key > row);
        if (masked && hidden) score = -INFINITY;
      }
    }
  });
}

// Scores to probabilities relative to the largest score so far; what was summed before is scaled to it.
template <int kHeadDim>
__device__ void soften(int first_query, Scores& scores, WarpRows<kHeadDim>& rows) {
  for_each_row(first_query, [&](int tile, int half, int) {
    float largest = rows.largest[tile][half];
#pragma unroll
    for (int part = 0; part < kKeys / kColumns; ++part) {
      largest = fmaxf(largest, fmaxf(scores[tile][part][half * 2], scores[tile][part][half * 2 + 1]));
    }
    // The four lanes of a row are neighbours.
    largest = largest_over_lanes<4>(largest);
    // A row that has seen no key yet keeps sums of zero.
    const float base = largest == -INFINITY ? 0.0f : largest;
    const float shrink = exp2_fast(rows.largest[tile][half] - base);
    rows.largest[tile][half] = largest;
    float total = 0;
#pragma unroll
    for (int part = 0; part < kKeys / kColumns; ++part) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        float& score = scores[tile][part][half * 2 + e];
        score = exp2_fast(score - base);
        total += score;
      }
    }
    rows.total[tile][half] = rows.total[tile][half] * shrink + total;
#pragma unroll
    for (int part = 0; part < kHeadDim / kColumns; ++part) {
      rows.sums[tile][part][half * 2] *= shrink;
      rows.sums[tile][part][half * 2 + 1] *= shrink;
    }
  });
}

template <int kHeadDim>
__device__ void write_rows(const FlashParameters& parameters, int first_query, int head,
                           const WarpRows<kHeadDim>& rows) {
  for_each_row(first_query, [&](int tile, int half, int row) {
    const float total = sum_over_lanes<4>(rows.total[tile][half]);
    if (row >= parameters.q.count) return;
#pragma unroll
    for (int part = 0; part < kHeadDim / kColumns; ++part) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int column = part * kColumns + static_cast<int>(threadIdx.x) % 4 * 2 + e;
        if (column >= parameters.head_dim) continue;
        store(parameters.out, row, std::int64_t{head} * parameters.head_dim + column,
              rows.sums[tile][part][half * 2 + e] / total);
      }
    }
  });
}

// kGeneral: with a mask or a bias.
template <int kHeadDim, bool kAligned, bool kGeneral>
__global__ void __launch_bounds__(kThreads) flash_attention(FlashParameters parameters) {
  auto* const q_tile = shared_memory<__nv_bfloat16>();
  auto* const k_tile = q_tile + kQueries * kHeadDim;
  auto* const v_tile = k_tile + kKeys * kHeadDim;
  const int first_query = static_cast<int>(blockIdx.x) * kQueries;
  const int head = static_cast<int>(blockIdx.y);
  const int head_dim = parameters.head_dim;
  const int num_keys =
      kGeneral && parameters.causal ? min(parameters.k.count, first_query + kQueries) : parameters.k.count;

  WarpRows<kHeadDim> rows;
  for_each_row(first_query, [&](int tile, int half, int) { rows.largest[tile][half] = -INFINITY; });

  begin_tile<kHeadDim, kQueries, kAligned>(q_tile, parameters.q, first_query, head, head_dim);
  begin_tile<kHeadDim, kKeys, kAligned>(k_tile, parameters.k, 0, head, head_dim);
  end_group();
  for (int key = 0; key < num_keys; key += kKeys) {
    begin_tile<kHeadDim, kKeys, kAligned>(v_tile, parameters.v, key, head, head_dim);
    end_group();
    wait_groups<1>();  // the keys
    sync_block();
    Scores scores = {};
    multiply_keys<kHeadDim>(q_tile, k_tile, scores);
    sync_block();
    if (key + kKeys < num_keys) {
      begin_tile<kHeadDim, kKeys, kAligned>(k_tile, parameters.k, key + kKeys, head, head_dim);
    }
    end_group();
    finish_scores<kGeneral>(parameters, first_query, key, head, scores);
    soften<kHeadDim>(first_query, scores, rows);
    wait_groups<1>();  // the values
    sync_block();
    multiply_values<kHeadDim>(scores, v_tile, rows);
    sync_block();
  }
  write_rows<kHeadDim>(parameters, first_query, head, rows);
}

Rows rows_of(const Tensor& tensor) {
  return {tensor.as<__nv_bfloat16>(), tensor.row_stride(), static_cast<int>(tensor.dim(0))};
}

bool in_units(const Tensor& tensor) {
  return tensor.row_stride() % kUnit == 0 && tensor.dim(2) % kUnit == 0 &&
         reinterpret_cast<std::uintptr_t>(tensor.data) % (kUnit * sizeof(__nv_bfloat16)) == 0;
}

template <int kHeadDim, bool kAligned, bool kGeneral>
void launch_with(const FlashParameters& parameters, const dim3& blocks, cudaStream_t stream) {
  constexpr std::size_t kSharedBytes = (kQueries + 2 * kKeys) * kHeadDim * sizeof(__nv_bfloat16);
  const auto kernel = flash_attention<kHeadDim, kAligned, kGeneral>;
  allow_shared_bytes(kernel, kSharedBytes);
  launch(kernel, blocks, dim3(kThreads), kSharedBytes, stream, parameters);
}

template <int kHeadDim>
void launch_width(const FlashParameters& parameters, bool aligned, const dim3& blocks, cudaStream_t stream) {
  const bool general = parameters.causal || parameters.bias != nullptr;
  if (aligned && !general) return launch_with<kHeadDim, true, false>(parameters, blocks, stream);
  if (aligned) return launch_with<kHeadDim, true, true>(parameters, blocks, stream);
  if (!general) return launch_with<kHeadDim, false, false>(parameters, blocks, stream);
  launch_with<kHeadDim, false, true>(parameters, blocks, stream);
}

}  // namespace

void launch_flash_attention(const ops::Attention& op, cudaStream_t stream) {
  const FlashParameters parameters = {.q = rows_of(op.q),
                                      .k = rows_of(op.k),
                                      .v = rows_of(op.v),
                                      .out = view_of(op.out),
                                      .bias = op.relative_bias.as<float>(),
                                      .bias_stride = op.relative_bias.empty() ? 0 : op.relative_bias.row_stride(),
                                      .head_dim = static_cast<int>(op.q.dim(2)),
                                      .scale = op.scale,
                                      .causal = op.causal};
  const bool aligned = in_units(op.q) && in_units(op.k) && in_units(op.v);
  const dim3 blocks(static_cast<unsigned>(ceil_div(op.q.dim(0), kQueries)), static_cast<unsigned>(op.q.dim(1)));
  if (op.q.dim(2) <= 64) {
    launch_width<64>(parameters, aligned, blocks, stream);
  } else {
    launch_width<kFlashHeadDim>(parameters, aligned, blocks, stream);
  }
}

}  // namespace steadyflux::cuda
