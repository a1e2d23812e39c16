// The attention kernel of hopper_attention.cu, for any division into tiles.
//
// A block stays on its multiprocessor and goes from tile to tile of kQueries queries of one head. Its first warpgroup
// copies: one thread keeps the rings of keys and values full. The other two have half of the queries each and compute:
// the products of the next keys run while the softmax of these is taken (Shah et al., "FlashAttention-3", 2024). Keys
// are gone through from the last to the first, so that only the first round has keys that are none.
#pragma once

#include "backend/cuda/elements.cuh"
#include "backend/cuda/hopper.cuh"
#include "backend/cuda/reduce.cuh"

namespace steadyflux::cuda::hopper {

inline constexpr int kHeadDim = 128;
inline constexpr int kBoxColumns = kBoxRowBytes / static_cast<int>(sizeof(__nv_bfloat16));
inline constexpr int kBoxes = kHeadDim / kBoxColumns;  // side by side in a row of a head
inline constexpr int kComputing = 2;                   // warpgroups
inline constexpr int kGroupQueries = 64;               // of a warpgroup
inline constexpr int kQueries = kComputing * kGroupQueries;
inline constexpr int kThreads = (1 + kComputing) * kWarpgroup;
inline constexpr int kDepth = 16;  // of a product
inline constexpr int kDepthBytes = kDepth * static_cast<int>(sizeof(__nv_bfloat16));

struct AttentionParameters {
  CUtensorMap q, k, v;  // boxes of kQueries and of kKeys rows
  View out;             // whole quads
  int q_rows = 0;
  int kv_rows = 0;
  int heads = 0;
  float scale = 1;  // positive, times log2(e)
};

// kStages: tiles of keys, and as many of values, in shared memory.
template <int kRows, int kNumStages>
struct Tiling {
  static constexpr int kKeys = kRows;
  static constexpr int kStages = kNumStages;
  static constexpr int kBoxBytes = kKeys * kBoxRowBytes;  // of keys, of values
  static constexpr int kTileBytes = kBoxes * kBoxBytes;
};

inline constexpr int kQueryBoxBytes = kQueries * kBoxRowBytes;

template <typename T>
struct Shared {
  unsigned char q[kBoxes * kQueryBoxBytes];
  unsigned char k[T::kStages][T::kTileBytes];
  unsigned char v[T::kStages][T::kTileBytes];
  std::uint64_t q_full, q_free;
  std::uint64_t k_full[T::kStages], k_free[T::kStages];
  std::uint64_t v_full[T::kStages], v_free[T::kStages];
};

template <typename T>
inline constexpr std::size_t kSharedBytes = sizeof(Shared<T>) + kBoxAlignment;

// Calls f(head, first query) for each tile of this block.
template <typename F>
__device__ void for_each_tile(const AttentionParameters& parameters, const F& f) {
  const int tiles_of_head = (parameters.q_rows + kQueries - 1) / kQueries;
  for (int tile = static_cast<int>(blockIdx.x); tile < tiles_of_head * parameters.heads;
       tile += static_cast<int>(gridDim.x)) {
    f(tile / tiles_of_head, tile % tiles_of_head * kQueries);
  }
}

template <int kBytes>
__device__ void begin_tile(unsigned char* to, const CUtensorMap& map, int head, int row, std::uint64_t* full) {
  arrive_and_expect(full, kBytes);
#pragma unroll
  for (int box = 0; box < kBoxes; ++box) {
    begin_box(to + box * (kBytes / kBoxes), map, head * kHeadDim + box * kBoxColumns, row, full);
  }
}

// The copying thread: tiles in the order in which they are waited for.
template <typename T>
__device__ void copy_tiles(const AttentionParameters& parameters, Shared<T>& shared) {
  const int rounds = (parameters.kv_rows + T::kKeys - 1) / T::kKeys;
  RingPlace<1> q;
  RingPlace<T::kStages> k;
  RingPlace<T::kStages> v;
  for_each_tile(parameters, [&](int head, int first_query) {
    const auto begin_keys = [&](int round) {
      wait(&shared.k_free[k.stage], k.parity ^ 1);
      begin_tile<T::kTileBytes>(shared.k[k.stage], parameters.k, head, round * T::kKeys, &shared.k_full[k.stage]);
      k.advance();
    };
    wait(&shared.q_free, q.parity ^ 1);
    begin_tile<kBoxes * kQueryBoxBytes>(shared.q, parameters.q, head, first_query, &shared.q_full);
    q.advance();
    begin_keys(rounds - 1);
    for (int round = rounds - 1; round >= 0; --round) {
      if (round > 0) begin_keys(round - 1);
      wait(&shared.v_free[v.stage], v.parity ^ 1);
      begin_tile<T::kTileBytes>(shared.v[v.stage], parameters.v, head, round * T::kKeys, &shared.v_full[v.stage]);
      v.advance();
    }
  });
}

// The queries of a warpgroup while it goes through the keys. A lane has two rows of its warp's 16: lane / 4, and that
// plus 8; of every eight columns or keys, 2 (lane % 4) and one more.
template <typename T>
struct GroupRows {
  float scores[T::kKeys / 2];                 // then probabilities
  std::uint32_t probabilities[T::kKeys / 4];  // in pairs, as products take them
  float sums[kHeadDim / 2];                   // of probabilities times values
  float largest[2];                           // score so far
  float total[2];                             // of this lane's probabilities
  float shrink[2];                            // by which sums are too large for `largest`
};

template <typename T>
__device__ void begin_scores(const unsigned char* q_tile, const unsigned char* k_tile, float (&scores)[T::kKeys / 2]) {
  const std::uint64_t q = matrix_at(q_tile);
  const std::uint64_t k = matrix_at(k_tile);
  begin_products();
#pragma unroll
  for (int depth = 0; depth < kHeadDim; depth += kDepth) {
    const int box = depth / kBoxColumns;
    const int within = depth % kBoxColumns / kDepth * kDepthBytes;
    multiply_rows(scores, moved(q, box * kQueryBoxBytes + within), moved(k, box * T::kBoxBytes + within), depth > 0);
  }
  end_products();
}

template <typename T>
__device__ void begin_sums(const unsigned char* v_tile, GroupRows<T>& rows) {
  const std::uint64_t v = matrix_at(v_tile, T::kBoxBytes);
  begin_products();
#pragma unroll
  for (int key = 0; key < T::kKeys; key += kDepth) {
    add_products(rows.sums, rows.probabilities + key / 4, moved(v, key * kBoxRowBytes));
  }
  end_products();
}

template <typename T>
__device__ void hide_keys(int num_keys, float (&scores)[T::kKeys / 2]) {
  const int first = static_cast<int>(threadIdx.x) % 4 * 2;
#pragma unroll
  for (int i = 0; i < T::kKeys / 2; ++i) {
    if (i / 4 * 8 + first + i % 2 >= num_keys) scores[i] = -INFINITY;
  }
}

// Scores to probabilities relative to the largest score so far. Every round has a key to be seen.
template <typename T>
__device__ void soften(float scale, GroupRows<T>& rows) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float largest[2] = {rows.largest[half], rows.largest[half]};
#pragma unroll
    for (int i = half * 2; i < T::kKeys / 2; i += 4) {
      largest[0] = fmaxf(largest[0], rows.scores[i]);
      largest[1] = fmaxf(largest[1], rows.scores[i + 1]);
    }
    const float now = largest_over_lanes<4>(fmaxf(largest[0], largest[1]));
    rows.shrink[half] = exp2_fast((rows.largest[half] - now) * scale);
    rows.largest[half] = now;
    const float base = now * scale;
    float total[2] = {};
#pragma unroll
    for (int i = half * 2; i < T::kKeys / 2; i += 4) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        rows.scores[i + e] = exp2_fast(fmaf(rows.scores[i + e], scale, -base));
        total[e] += rows.scores[i + e];
      }
    }
    rows.total[half] = rows.total[half] * rows.shrink[half] + (total[0] + total[1]);
  }
}

template <typename T>
__device__ void round_probabilities(GroupRows<T>& rows) {
#pragma unroll
  for (int i = 0; i < T::kKeys / 4; ++i) rows.probabilities[i] = bf16_pair(rows.scores[2 * i], rows.scores[2 * i + 1]);
}

template <typename T>
__device__ void shrink_sums(GroupRows<T>& rows) {
#pragma unroll
  for (int i = 0; i < kHeadDim / 2; ++i) rows.sums[i] *= rows.shrink[i / 2 % 2];
}

__device__ inline void store_pair(float2* to, float left, float right) { *to = make_float2(left, right); }
__device__ inline void store_pair(std::uint32_t* to, float left, float right) { *to = bf16_pair(left, right); }

// Pair: of elements of the output.
template <typename Pair, typename T>
__device__ void write_rows(const AttentionParameters& parameters, int head, int first_query, GroupRows<T>& rows) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) % kWarpgroup / kWarp;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float factor = 1.0f / sum_over_lanes<4>(rows.total[half]);
    const int row = first_query + warp * 16 + half * 8 + lane / 4;
    if (row >= parameters.q_rows) continue;
    const std::int64_t begin = row * parameters.out.row_stride + head * kHeadDim + lane % 4 * 2;
    auto* const to = reinterpret_cast<Pair*>(parameters.out.data) + begin / 2;
#pragma unroll
    for (int i = 0; i < kHeadDim / 8; ++i) {
      store_pair(to + i * 4, rows.sums[i * 4 + half * 2] * factor, rows.sums[i * 4 + half * 2 + 1] * factor);
    }
  }
}

// A computing warpgroup. The two take turns in beginning products, so that one's softmax falls into the
// other's products.
template <typename T>
__device__ void compute_tiles(const AttentionParameters& parameters, Shared<T>& shared) {
  constexpr int kBothGroups = kComputing * kWarpgroup;
  const int group = static_cast<int>(threadIdx.x) / kWarpgroup - 1;
  const int my_turn = 1 + group;  // names of barriers; 0 is sync_block's
  const int other_turn = 2 - group;
  const bool tells = threadIdx.x % kWarp == 0;
  const unsigned char* const q_tile = shared.q + group * kGroupQueries * kBoxRowBytes;
  const int rounds = (parameters.kv_rows + T::kKeys - 1) / T::kKeys;
  RingPlace<1> q;
  RingPlace<T::kStages> k;
  RingPlace<T::kStages> v;
  GroupRows<T> rows;
  const auto free_keys = [&] {
    if (tells) arrive(&shared.k_free[k.stage]);
    k.advance();
  };
  const auto free_values = [&] {
    if (tells) arrive(&shared.v_free[v.stage]);
    v.advance();
  };
  if (group == 1) give_turn<kBothGroups>(other_turn);
  for_each_tile(parameters, [&](int head, int first_query) {
#pragma unroll
    for (int i = 0; i < kHeadDim / 2; ++i) rows.sums[i] = 0;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      rows.largest[half] = -INFINITY;
      rows.total[half] = 0;
    }
    wait(&shared.q_full, q.parity);
    q.advance();
    wait(&shared.k_full[k.stage], k.parity);
    begin_scores<T>(q_tile, shared.k[k.stage], rows.scores);
    wait_products<0>();
    hold(rows.scores);
    free_keys();
    if (const int num_keys = parameters.kv_rows - (rounds - 1) * T::kKeys; num_keys < T::kKeys) {
      hide_keys<T>(num_keys, rows.scores);
    }
    soften(parameters.scale, rows);
    round_probabilities(rows);
    for (int round = rounds - 1; round > 0; --round) {
      wait(&shared.k_full[k.stage], k.parity);
      wait_turn<kBothGroups>(my_turn);
      begin_scores<T>(q_tile, shared.k[k.stage], rows.scores);
      shrink_sums(rows);
      wait(&shared.v_full[v.stage], v.parity);
      begin_sums(shared.v[v.stage], rows);
      give_turn<kBothGroups>(other_turn);
      wait_products<1>();
      hold(rows.scores);
      free_keys();
      soften(parameters.scale, rows);
      settle(rows.total[0] + rows.total[1], &shared.q_full);
      wait_products<0>();
      hold(rows.sums);
      hold(rows.probabilities);
      free_values();
      round_probabilities(rows);
    }
    if (tells) arrive(&shared.q_free);
    shrink_sums(rows);
    wait(&shared.v_full[v.stage], v.parity);
    begin_sums(shared.v[v.stage], rows);
    wait_products<0>();
    hold(rows.sums);
    hold(rows.probabilities);
    free_values();
    if (parameters.out.dtype == DType::kF32) {
      write_rows<float2>(parameters, head, first_query + group * kGroupQueries, rows);
    } else {
      write_rows<std::uint32_t>(parameters, head, first_query + group * kGroupQueries, rows);
    }
  });
}

template <typename T>
__global__ void __launch_bounds__(kThreads, 1) attention(const __grid_constant__ AttentionParameters parameters) {
  constexpr int kTellers = kComputing * kWarpgroup / kWarp;
  auto* const memory = shared_memory<unsigned char>();
  const std::uint32_t past = shared_address(memory) % kBoxAlignment;
  auto& shared = *reinterpret_cast<Shared<T>*>(memory + (past == 0 ? 0 : kBoxAlignment - past));
  if (threadIdx.x == 0) {
    init_barrier(&shared.q_full, 1);
    init_barrier(&shared.q_free, kTellers);
    for (int stage = 0; stage < T::kStages; ++stage) {
      init_barrier(&shared.k_full[stage], 1);
      init_barrier(&shared.k_free[stage], kTellers);
      init_barrier(&shared.v_full[stage], 1);
      init_barrier(&shared.v_free[stage], kTellers);
    }
    publish_barriers();
  }
  sync_block();
  if (threadIdx.x < kWarpgroup) {
    shrink_registers<24>();
    if (threadIdx.x == 0) copy_tiles(parameters, shared);
  } else {
    grow_registers<240>();
    compute_tiles<T>(parameters, shared);
  }
}

}  // namespace steadyflux::cuda::hopper
