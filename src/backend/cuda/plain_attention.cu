// Attention with products in f32: for f32 activations, mixed types, and heads wider than tensor cores are used for.
//
// A block has 64 queries of one head and goes through the keys 64 at a time, with the softmax done as they go by. A
// thread has four queries; the sixteen threads that share these are neighbours in a warp.
#include "backend/cuda/attention.h"
#include "backend/cuda/elements.cuh"
#include "backend/cuda/reduce.cuh"
#include "base/checked.h"

namespace steadyflux::cuda {
namespace {

constexpr int kRows = 64;      // queries of a block, and keys of a round
constexpr int kAcross = 16;    // threads that share their queries
constexpr int kThreads = 256;  // sixteen times as many
constexpr int kEach = 4;       // queries of a thread, and its keys in a round
constexpr int kDepth = 32;     // of the products that are in shared memory at once
constexpr int kValueRows = 8;  // values that are in shared memory at once

struct PlainParameters {
  View q, k, v, out;
  const float* bias = nullptr;  // [heads, q_rows + kv_rows - 1], optional
  std::int64_t bias_stride = 0;
  int q_rows = 0, kv_rows = 0, head_dim = 0;
  float scale = 1;
  bool causal = false;
};

// Shared memory of a block; queries and keys give way to values. One more column keeps threads in different banks.
struct Shared {
  float* q;              // [kRows][kDepth + 1]
  float* k;              // [kRows][kDepth + 1]
  float* v;              // [kValueRows][columns]
  float* probabilities;  // [kRows][kRows + 1]
};

constexpr int shared_floats(int columns) {
  const int operands = 2 * kRows * (kDepth + 1);
  const int values = kValueRows * columns;
  return (operands > values ? operands : values) + kRows * (kRows + 1);
}

__device__ Shared shared_of(int columns) {
  auto* const memory = shared_memory<float>();
  return {memory, memory + kRows * (kDepth + 1), memory, memory + shared_floats(columns) - kRows * (kRows + 1)};
}

// Rows from `first` on, columns [begin, begin + kDepth) of a head; zeros outside.
__device__ void load_operand(float* to, const View& from, int first, int num_rows, int head, int begin, int head_dim) {
  for (int i = static_cast<int>(threadIdx.x); i < kRows * kDepth; i += kThreads) {
    const int row = i / kDepth;
    const int column = i % kDepth;
    const bool present = first + row < num_rows && begin + column < head_dim;
    to[row * (kDepth + 1) + column] =
        present ? load(from, first + row, std::int64_t{head} * head_dim + begin + column) : 0.0f;
  }
}

using Scores = float[kEach][kEach];

// Of queries 4 down, … 4 down + 3 and keys across, across + 16, …
__device__ void multiply_keys(const PlainParameters& parameters, const Shared& shared, int first_query, int first_key,
                              int head, Scores& scores) {
  const int across = static_cast<int>(threadIdx.x) % kAcross;
  const int down = static_cast<int>(threadIdx.x) / kAcross;
  for (int begin = 0; begin < parameters.head_dim; begin += kDepth) {
    sync_block();
    load_operand(shared.q, parameters.q, first_query, parameters.q_rows, head, begin, parameters.head_dim);
    load_operand(shared.k, parameters.k, first_key, parameters.kv_rows, head, begin, parameters.head_dim);
    sync_block();
    for (int d = 0; d < kDepth; ++d) {
      float q[kEach];
      float k[kEach];
#pragma unroll
      for (int i = 0; i < kEach; ++i) {
        q[i] = shared.q[(down * kEach + i) * (kDepth + 1) + d];
        k[i] = shared.k[(across + i * kAcross) * (kDepth + 1) + d];
      }
#pragma unroll
      for (int i = 0; i < kEach; ++i) {
#pragma unroll
        for (int j = 0; j < kEach; ++j) scores[i][j] += q[i] * k[j];
      }
    }
  }
}

__device__ void finish_scores(const PlainParameters& parameters, int first_query, int first_key, int head,
                              Scores& scores) {
  const int across = static_cast<int>(threadIdx.x) % kAcross;
  const int down = static_cast<int>(threadIdx.x) / kAcross;
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
#pragma unroll
    for (int j = 0; j < kEach; ++j) {
      const int row = first_query + down * kEach + i;
      const int key = first_key + across + j * kAcross;
      scores[i][j] *= parameters.scale;
      if (parameters.bias != nullptr && row < parameters.q_rows && key < parameters.kv_rows) {
        scores[i][j] += parameters.bias[head * parameters.bias_stride + key - row + parameters.q_rows - 1];
      }
      if (key >= parameters.kv_rows || (parameters.causal && key > row)) scores[i][j] = -INFINITY;
    }
  }
}

// A thread's queries while it goes through the keys; it sums columns across, across + 16, …
template <int kColumns>
struct ThreadRows {
  float sums[kEach][kColumns] = {};
  float largest[kEach] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
  float total[kEach] = {};  // of this thread's probabilities
};

template <int kColumns>
__device__ void soften(const Shared& shared, Scores& scores, ThreadRows<kColumns>& rows) {
  const int across = static_cast<int>(threadIdx.x) % kAcross;
  const int down = static_cast<int>(threadIdx.x) / kAcross;
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    float largest = rows.largest[i];
#pragma unroll
    for (int j = 0; j < kEach; ++j) largest = fmaxf(largest, scores[i][j]);
    largest = largest_over_lanes<kAcross>(largest);
    // A row that has seen no key yet keeps sums of zero.
    const float base = largest == -INFINITY ? 0.0f : largest;
    const float shrink = expf(rows.largest[i] - base);
    rows.largest[i] = largest;
    rows.total[i] *= shrink;
#pragma unroll
    for (int j = 0; j < kEach; ++j) {
      const float probability = expf(scores[i][j] - base);
      rows.total[i] += probability;
      shared.probabilities[(down * kEach + i) * (kRows + 1) + across + j * kAcross] = probability;
    }
#pragma unroll
    for (int c = 0; c < kColumns; ++c) rows.sums[i][c] *= shrink;
  }
}

template <int kColumns>
__device__ void multiply_values(const PlainParameters& parameters, const Shared& shared, int first_key, int head,
                                int first_column, ThreadRows<kColumns>& rows) {
  constexpr int kWidth = kColumns * kAcross;
  const int across = static_cast<int>(threadIdx.x) % kAcross;
  const int down = static_cast<int>(threadIdx.x) / kAcross;
  for (int begin = 0; begin < kRows; begin += kValueRows) {
    sync_block();
    for (int i = static_cast<int>(threadIdx.x); i < kValueRows * kWidth; i += kThreads) {
      const int key = first_key + begin + i / kWidth;
      const int column = first_column + i % kWidth;
      const bool present = key < parameters.kv_rows && column < parameters.head_dim;
      shared.v[i] = present ? load(parameters.v, key, std::int64_t{head} * parameters.head_dim + column) : 0.0f;
    }
    sync_block();
#pragma unroll
    for (int r = 0; r < kValueRows; ++r) {
      float p[kEach];
#pragma unroll
      for (int i = 0; i < kEach; ++i) p[i] = shared.probabilities[(down * kEach + i) * (kRows + 1) + begin + r];
#pragma unroll
      for (int c = 0; c < kColumns; ++c) {
        const float value = shared.v[r * kWidth + across + c * kAcross];
#pragma unroll
        for (int i = 0; i < kEach; ++i) rows.sums[i][c] += p[i] * value;
      }
    }
  }
}

// blockIdx.z counts the blocks of kColumns * kAcross columns of a head; each computes the scores anew.
template <int kColumns>
__global__ void __launch_bounds__(kThreads) plain_attention(PlainParameters parameters) {
  constexpr int kWidth = kColumns * kAcross;
  const Shared shared = shared_of(kWidth);
  const int first_query = static_cast<int>(blockIdx.x) * kRows;
  const int head = static_cast<int>(blockIdx.y);
  const int first_column = static_cast<int>(blockIdx.z) * kWidth;
  const int num_keys = parameters.causal ? min(parameters.kv_rows, first_query + kRows) : parameters.kv_rows;
  ThreadRows<kColumns> rows;
  for (int key = 0; key < num_keys; key += kRows) {
    Scores scores = {};
    multiply_keys(parameters, shared, first_query, key, head, scores);
    finish_scores(parameters, first_query, key, head, scores);
    soften<kColumns>(shared, scores, rows);
    multiply_values<kColumns>(parameters, shared, key, head, first_column, rows);
  }
  const int across = static_cast<int>(threadIdx.x) % kAcross;
  const int down = static_cast<int>(threadIdx.x) / kAcross;
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    const float total = sum_over_lanes<kAcross>(rows.total[i]);
    const int row = first_query + down * kEach + i;
    if (row >= parameters.q_rows) continue;
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      const int column = first_column + across + c * kAcross;
      if (column >= parameters.head_dim) continue;
      store(parameters.out, row, std::int64_t{head} * parameters.head_dim + column, rows.sums[i][c] / total);
    }
  }
}

template <int kColumns>
void launch_columns(const PlainParameters& parameters, std::int64_t heads, cudaStream_t stream) {
  constexpr int kWidth = kColumns * kAcross;
  const dim3 blocks(static_cast<unsigned>(ceil_div(parameters.q_rows, kRows)), static_cast<unsigned>(heads),
                    static_cast<unsigned>(ceil_div(parameters.head_dim, kWidth)));
  launch(plain_attention<kColumns>, blocks, dim3(kThreads), shared_floats(kWidth) * sizeof(float), stream, parameters);
}

}  // namespace

void launch_plain_attention(const ops::Attention& op, cudaStream_t stream) {
  const PlainParameters parameters = {.q = view_of(op.q),
                                      .k = view_of(op.k),
                                      .v = view_of(op.v),
                                      .out = view_of(op.out),
                                      .bias = op.relative_bias.as<float>(),
                                      .bias_stride = op.relative_bias.empty() ? 0 : op.relative_bias.row_stride(),
                                      .q_rows = static_cast<int>(op.q.dim(0)),
                                      .kv_rows = static_cast<int>(op.k.dim(0)),
                                      .head_dim = static_cast<int>(op.q.dim(2)),
                                      .scale = op.scale,
                                      .causal = op.causal};
  const std::int64_t heads = op.q.dim(1);
  if (parameters.head_dim <= 64) {
    launch_columns<4>(parameters, heads, stream);
  } else if (parameters.head_dim <= 128) {
    launch_columns<8>(parameters, heads, stream);
  } else {
    launch_columns<32>(parameters, heads, stream);
  }
}

}  // namespace steadyflux::cuda
