// Normalisation of rows, and of heads with their rotation.
#include <algorithm>

#include "backend/cuda/elements.cuh"
#include "backend/cuda/kernels.h"
#include "backend/cuda/reduce.cuh"
#include "base/checked.h"

namespace steadyflux::cuda {
namespace {

constexpr int kMostThreads = 256;

// Threads of a block that has one row of `width`: a power of two of whole warps.
int threads_for_row(std::int64_t width) {
  int threads = kWarp;
  while (threads < kMostThreads && threads * kQuad < width) threads *= 2;
  return threads;
}

dim3 one_block_each(std::int64_t rows) { return dim3(static_cast<unsigned>(rows)); }

// Calls f(first column, columns) for the quads of this thread. Each thread of the block has the same in every pass.
template <typename F>
__device__ void for_each_quad(std::int64_t width, const F& f) {
  for (std::int64_t column = threadIdx.x * kQuad; column < width; column += blockDim.x * kQuad) {
    f(column, columns_of_quad(width, column));
  }
}

// mean((x - centre)^2) of the block's row.
__device__ float mean_square(const View& x, std::int64_t row, std::int64_t width, float centre) {
  float sum = 0;
  for_each_quad(width, [&](std::int64_t column, int count) {
    const Quad quad = load_quad(x, row, column, count);
#pragma unroll
    for (int i = 0; i < kQuad; ++i) {
      const float distance = quad.v[i] - centre;
      if (i < count) sum += distance * distance;
    }
  });
  return sum_over_block(sum) / static_cast<float>(width);
}

__device__ float reciprocal_root(float mean_square, float eps) { return 1.0f / sqrtf(mean_square + eps); }

__global__ void layer_norm(View x, View scale, View shift, float scale_offset, float eps, View out,
                           std::int64_t width) {
  const std::int64_t row = blockIdx.x;
  float sum = 0;
  for_each_quad(width, [&](std::int64_t column, int count) {
    const Quad quad = load_quad(x, row, column, count);
    sum += (quad.v[0] + quad.v[1]) + (quad.v[2] + quad.v[3]);
  });
  const float mean = sum_over_block(sum) / static_cast<float>(width);
  const float rstd = reciprocal_root(mean_square(x, row, width, mean), eps);
  for_each_quad(width, [&](std::int64_t column, int count) {
    Quad quad = load_quad(x, row, column, count);
    const Quad scales = load_quad(scale, 0, column, count);
    const Quad shifts = load_quad(shift, 0, column, count);
#pragma unroll
    for (int i = 0; i < kQuad; ++i) {
      quad.v[i] = (quad.v[i] - mean) * rstd * (scale_offset + scales.v[i]) + shifts.v[i];
    }
    store_quad(out, row, column, count, quad);
  });
}

// The same where a thread has at most kHeldQuads, which it holds: x is read once. The bits are the same.
constexpr int kHeldQuads = 4;

__global__ void __launch_bounds__(kMostThreads)
    layer_norm_held(View x, View scale, View shift, float scale_offset, float eps, View out, int width) {
  const std::int64_t row = blockIdx.x;
  const auto column_of = [](int i) { return (i * kMostThreads + static_cast<int>(threadIdx.x)) * kQuad; };
  Quad quads[kHeldQuads] = {};
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kHeldQuads; ++i) {
    if (column_of(i) < width) quads[i] = load_quad(x, row, column_of(i), kQuad);
  }
#pragma unroll
  for (const Quad& quad : quads) sum += (quad.v[0] + quad.v[1]) + (quad.v[2] + quad.v[3]);
  const float mean = sum_over_block(sum) / static_cast<float>(width);
  float squares = 0;
#pragma unroll
  for (int i = 0; i < kHeldQuads; ++i) {
    if (column_of(i) >= width) continue;
#pragma unroll
    for (int e = 0; e < kQuad; ++e) {
      const float distance = quads[i].v[e] - mean;
      squares += distance * distance;
    }
  }
  const float rstd = reciprocal_root(sum_over_block(squares) / static_cast<float>(width), eps);
#pragma unroll
  for (int i = 0; i < kHeldQuads; ++i) {
    if (column_of(i) >= width) continue;
    const Quad scales = load_quad(scale, 0, column_of(i), kQuad);
    const Quad shifts = load_quad(shift, 0, column_of(i), kQuad);
#pragma unroll
    for (int e = 0; e < kQuad; ++e) {
      quads[i].v[e] = (quads[i].v[e] - mean) * rstd * (scale_offset + scales.v[e]) + shifts.v[e];
    }
    store_quad(out, row, column_of(i), kQuad, quads[i]);
  }
}

__global__ void rms_norm(View x, View weight, float eps, View out, std::int64_t width) {
  const std::int64_t row = blockIdx.x;
  const float scale = reciprocal_root(mean_square(x, row, width, 0), eps);
  for_each_quad(width, [&](std::int64_t column, int count) {
    Quad quad = load_quad(x, row, column, count);
    const Quad weights = load_quad(weight, 0, column, count);
#pragma unroll
    for (int i = 0; i < kQuad; ++i) quad.v[i] = quad.v[i] * scale * weights.v[i];
    store_quad(out, row, column, count, quad);
  });
}

// One warp for each row and head. A lane's quads hold whole pairs, and nobody else reads what it writes.
__global__ void qk_norm_rope(View x, View weight, View pe, float eps, std::int64_t rows, int heads, int head_dim) {
  const std::int64_t index = std::int64_t{blockIdx.x} * (blockDim.x / kWarp) + threadIdx.x / kWarp;
  if (index >= rows * heads) return;
  const std::int64_t row = index / heads;
  const int begin = static_cast<int>(index % heads) * head_dim;
  const int first = static_cast<int>(threadIdx.x) % kWarp * kQuad;
  float sum = 0;
  for (int column = first; column < head_dim; column += kWarp * kQuad) {
    const Quad quad = load_quad(x, row, begin + column, columns_of_quad(head_dim, column));
#pragma unroll
    for (int i = 0; i < kQuad; ++i) sum += quad.v[i] * quad.v[i];
  }
  const float scale = reciprocal_root(sum_over_lanes(sum) / static_cast<float>(head_dim), eps);
  for (int column = first; column < head_dim; column += kWarp * kQuad) {
    const int count = columns_of_quad(head_dim, column);
    Quad quad = load_quad(x, row, begin + column, count);
    const Quad weights = load_quad(weight, 0, column, count);
#pragma unroll
    for (int i = 0; i < kQuad; ++i) quad.v[i] = quad.v[i] * scale * weights.v[i];
    if (pe) {
      const Quad turn = load_quad(pe, row, column, count);
#pragma unroll
      for (int i = 0; i < kQuad; i += 2) {
        const float a = quad.v[i];
        const float b = quad.v[i + 1];
        quad.v[i] = a * turn.v[i] - b * turn.v[i + 1];
        quad.v[i + 1] = a * turn.v[i + 1] + b * turn.v[i];
      }
    }
    store_quad(x, row, begin + column, count, quad);
  }
}

// The same for heads no wider than a warp's quads: a warp has kHeldHeads of one row at once, since one alone asks for
// too little memory at a time to keep it busy. Quads are whole.
constexpr int kHeldHeads = 4;

__global__ void qk_norm_rope_held(View x, View weight, View pe, float eps, std::int64_t rows, int heads, int head_dim) {
  const std::int64_t index = (std::int64_t{blockIdx.x} * (blockDim.x / kWarp) + threadIdx.x / kWarp) * kHeldHeads;
  if (index >= rows * heads) return;
  const std::int64_t row = index / heads;
  const int head = static_cast<int>(index % heads);
  const int column = static_cast<int>(threadIdx.x) % kWarp * kQuad;
  const bool present = column < head_dim;
  Quad quads[kHeldHeads] = {};
  Quad weights = {};
  Quad turn = {};
  if (present) {
#pragma unroll
    for (int i = 0; i < kHeldHeads; ++i) quads[i] = load_quad(x, row, (head + i) * head_dim + column, kQuad);
    weights = load_quad(weight, 0, column, kQuad);
    if (pe) turn = load_quad(pe, row, column, kQuad);
  }
#pragma unroll
  for (int i = 0; i < kHeldHeads; ++i) {
    Quad& quad = quads[i];
    float sum = 0;
#pragma unroll
    for (int e = 0; e < kQuad; ++e) sum += quad.v[e] * quad.v[e];
    const float scale = reciprocal_root(sum_over_lanes(sum) / static_cast<float>(head_dim), eps);
#pragma unroll
    for (int e = 0; e < kQuad; ++e) quad.v[e] = quad.v[e] * scale * weights.v[e];
    if (pe) {
#pragma unroll
      for (int e = 0; e < kQuad; e += 2) {
        const float a = quad.v[e];
        const float b = quad.v[e + 1];
        quad.v[e] = a * turn.v[e] - b * turn.v[e + 1];
        quad.v[e + 1] = a * turn.v[e + 1] + b * turn.v[e];
      }
    }
    if (present) store_quad(x, row, (head + i) * head_dim + column, kQuad, quad);
  }
}

}  // namespace

void launch(const ops::LayerNorm& op, cudaStream_t stream) {
  const std::int64_t width = op.x.dim(1);
  // Narrow rows would leave most threads without a quad.
  constexpr std::int64_t kNarrow = std::int64_t{kMostThreads} * kQuad;
  if (width % kQuad == 0 && width >= kNarrow && width <= kHeldQuads * kNarrow) {
    launch(layer_norm_held, one_block_each(op.x.dim(0)), dim3(kMostThreads), kBlockResultBytes, stream, view_of(op.x),
           view_of(op.scale), view_of(op.shift), op.scale_offset, op.eps, view_of(op.out), static_cast<int>(width));
    return;
  }
  launch(layer_norm, one_block_each(op.x.dim(0)), dim3(threads_for_row(width)), kBlockResultBytes, stream,
         view_of(op.x), view_of(op.scale), view_of(op.shift), op.scale_offset, op.eps, view_of(op.out), width);
}

void launch(const ops::RmsNorm& op, cudaStream_t stream) {
  const std::int64_t width = op.x.dim(1);
  launch(rms_norm, one_block_each(op.x.dim(0)), dim3(threads_for_row(width)), kBlockResultBytes, stream, view_of(op.x),
         view_of(op.weight), op.eps, view_of(op.out), width);
}

void launch(const ops::QkNormRope& op, cudaStream_t stream) {
  constexpr int kHeadsOfBlock = 8;
  const std::int64_t heads = op.x.dim(1);
  const std::int64_t head_dim = op.x.dim(2);
  View x = view_of(op.x);
  x.whole_quads = x.whole_quads && head_dim % kQuad == 0;
  if (head_dim % kQuad == 0 && head_dim <= kWarp * kQuad && heads % kHeldHeads == 0) {
    constexpr int kHeads = kHeadsOfBlock * kHeldHeads;
    launch(qk_norm_rope_held, one_block_each(ceil_div(op.x.dim(0) * heads, kHeads)), dim3(kHeadsOfBlock * kWarp), 0,
           stream, x, view_of(op.weight), view_of(op.pe), op.eps, op.x.dim(0), static_cast<int>(heads),
           static_cast<int>(head_dim));
    return;
  }
  launch(qk_norm_rope, one_block_each(ceil_div(op.x.dim(0) * heads, kHeadsOfBlock)), dim3(kHeadsOfBlock * kWarp), 0,
         stream, x, view_of(op.weight), view_of(op.pe), op.eps, op.x.dim(0), static_cast<int>(heads),
         static_cast<int>(head_dim));
}

}  // namespace steadyflux::cuda
