// The product of hopper_linear.cu, of integers of 8 bits.
//
// Blocks stay on their multiprocessors and go from tile to tile. The two of a cluster have tiles one below the other,
// so that both need the same rows of the weight: each copies half of them into the shared memory of both. A block's
// first warpgroup copies: one thread keeps the ring of stages full. The other two have half of the tile's rows each;
// they multiply, and what they do to the sums falls into the other's products and into the copies of the next tile.
//
// Where the tiles do not go evenly into the clusters, the last ones are cut into halves, if all halves find a place at
// once.
#pragma once

#include "backend/cuda/elements.cuh"
#include "backend/cuda/hopper_products.cuh"

namespace steadyflux::cuda::hopper {

inline constexpr int kMostParts = 4;
inline constexpr int kStages = 4;
inline constexpr int kMultiplying = 2;  // warpgroups
inline constexpr int kGroupRows = 64;   // of a warpgroup
inline constexpr int kTileRows = kMultiplying * kGroupRows;
inline constexpr int kTileColumns = 256;
inline constexpr int kBlockThreads = (1 + kMultiplying) * kWarpgroup;
inline constexpr int kWeightBoxRows = 64;  // the smallest share of a block: half of half a tile
inline constexpr int kProductBytes = 32;   // of a row, that one instruction multiplies

struct PartParameters {
  CUtensorMap weight;  // boxes of kWeightBoxRows
  View out, bias, gate;
  const float* scales = nullptr;  // of the weight's rows
  int features = 0;
  int first_tile = 0;       // of its columns, counted over all parts
  bool gelu = false;        // not with `accumulate`
  bool accumulate = false;  // out += gate * result
  // Every eighth element of every row of out is aligned to 16 bytes, and out is of bf16 or accumulated.
  bool whole_octets = false;
};

struct LinearParameters {
  CUtensorMap x;  // boxes of kTileRows
  PartParameters parts[kMostParts];
  const float* x_scales = nullptr;  // of rows
  int num_parts = 0;
  int rows = 0;
  int steps = 0;         // along the depth, of 128 bytes each
  int row_tiles = 0;     // of whole clusters
  int column_tiles = 0;  // of all parts
  int band = 0;          // rows of tiles that are gone through together, so that what they read stays in the L2 cache
  int whole_tiles = 0;   // that are not cut into halves
};

// Of a warpgroup: what is done to its columns, and room for an octet of each thread.
struct Columns {
  float bias[kTileColumns];
  float gate[kTileColumns];
  float scales[kTileColumns];
  float octets[kWarpgroup][kOctet];
};

struct LinearShared {
  unsigned char x[kStages][kTileRows * kBoxRowBytes];
  unsigned char weight[kStages][kTileColumns * kBoxRowBytes];
  Columns columns[kMultiplying];
  std::uint64_t full[kStages], free[kStages];
};

inline constexpr std::size_t kLinearSharedBytes = sizeof(LinearShared) + kBoxAlignment;

// Of a block.
struct Tile {
  int part = 0;
  int row = 0;
  int column = 0;   // of the part
  int columns = 0;  // kTileColumns, or half of them
};

template <int kCluster>
__device__ Tile tile_at(const LinearParameters& parameters, int index, int half, int columns) {
  const int band_tiles = parameters.band * parameters.column_tiles;
  const int band = index / band_tiles;
  const int within = index - band * band_tiles;
  const int band_rows = min(parameters.band, parameters.row_tiles - band * parameters.band);
  const int column_tile = within / band_rows;
  const int row_tile = band * parameters.band + (within - column_tile * band_rows);
  const int rank = kCluster == 1 ? 0 : cluster_rank();
  Tile tile;
  while (tile.part + 1 < parameters.num_parts && column_tile >= parameters.parts[tile.part + 1].first_tile) ++tile.part;
  tile.row = (row_tile * kCluster + rank) * kTileRows;
  tile.column = (column_tile - parameters.parts[tile.part].first_tile) * kTileColumns + half * columns;
  tile.columns = columns;
  return tile;
}

// Calls f(tile) for each tile of this block; the blocks of a cluster have as many, of the same columns.
template <int kCluster, typename F>
__device__ void for_each_tile(const LinearParameters& parameters, const F& f) {
  const int tiles = parameters.row_tiles * parameters.column_tiles;
  const int whole = parameters.whole_tiles;
  const int count = whole + 2 * (tiles - whole);
  for (int i = static_cast<int>(blockIdx.x) / kCluster; i < count; i += static_cast<int>(gridDim.x) / kCluster) {
    const bool is_whole = i < whole;
    const int index = is_whole ? i : whole + (i - whole) / 2;
    const int half = is_whole ? 0 : (i - whole) % 2;
    f(tile_at<kCluster>(parameters, index, half, is_whole ? kTileColumns : kTileColumns / 2));
  }
}

// The copying thread: stages in the order in which they are waited for. A stage is free when the warpgroups of all
// blocks that this one copies for are done with it.
template <int kCluster>
__device__ void copy_stages(const LinearParameters& parameters, LinearShared& shared) {
  constexpr std::uint16_t kAll = (1 << kCluster) - 1;
  const int rank = kCluster == 1 ? 0 : cluster_rank();
  RingPlace<kStages> place;
  for_each_tile<kCluster>(parameters, [&](const Tile& tile) {
    const CUtensorMap& weight = parameters.parts[tile.part].weight;
    const int share = tile.columns / kCluster;
    for (int step = 0; step < parameters.steps; ++step) {
      std::uint64_t* const full = &shared.full[place.stage];
      const int column = step * kBoxRowBytes;
      wait(&shared.free[place.stage], place.parity ^ 1);
      arrive_and_expect(full, (kTileRows + tile.columns) * kBoxRowBytes);
      begin_box(shared.x[place.stage], parameters.x, column, tile.row, full);
      for (int row = rank * share; row < (rank + 1) * share; row += kWeightBoxRows) {
        unsigned char* const to = shared.weight[place.stage] + row * kBoxRowBytes;
        if constexpr (kCluster == 1) {
          begin_box(to, weight, column, tile.column + row, full);
        } else {
          begin_box_for(kAll, to, weight, column, tile.column + row, full);
        }
      }
      place.advance();
    }
  });
}

// By all threads of a multiplying warpgroup.
template <int kCluster>
__device__ void free_stage(LinearShared& shared, int stage) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if constexpr (kCluster == 1) {
    if (lane == 0) arrive(&shared.free[stage]);
  } else {
    if (lane < kCluster) arrive_in_cluster(&shared.free[stage], lane);
  }
}

// Begins all products of a tile and waits for all but the last step's, whose stage it returns.
template <int kCluster, bool kWhole>
__device__ int multiply_tile(LinearShared& shared, int group, int steps, RingPlace<kStages>& place,
                             std::int32_t (&sums)[128]) {
  int last = 0;
  for (int step = 0; step < steps; ++step) {
    wait(&shared.full[place.stage], place.parity);
    const std::uint64_t x = matrix_at(shared.x[place.stage] + group * kGroupRows * kBoxRowBytes);
    const std::uint64_t weight = matrix_at(shared.weight[place.stage]);
    begin_products();
#pragma unroll
    for (int at = 0; at < kBoxRowBytes; at += kProductBytes) {
      if constexpr (kWhole) {
        multiply_256(sums, moved(x, at), moved(weight, at), step + at);
      } else {
        multiply_128(sums, moved(x, at), moved(weight, at), step + at);
      }
    }
    end_products();
    if (step > 0) {
      wait_products<1>();
      free_stage<kCluster>(shared, last);
    }
    last = place.stage;
    place.advance();
  }
  return last;
}

// What this thread brings for the warpgroup's columns: those of its number, and 128 further on.
struct ThreadColumns {
  float bias[2], gate[2], scales[2];
};

__device__ inline ThreadColumns load_columns(const PartParameters& part, const Tile& tile) {
  ThreadColumns columns;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int column = tile.column + i * kWarpgroup + static_cast<int>(threadIdx.x) % kWarpgroup;
    const bool present = column < part.features;
    columns.bias[i] = present && part.bias ? load(part.bias, 0, column) : 0.0f;
    columns.gate[i] = present && part.gate ? load(part.gate, 0, column) : 1.0f;
    columns.scales[i] = present && part.scales != nullptr ? part.scales[column] : 1.0f;
  }
  return columns;
}

// Once all threads of the warpgroup are done with the columns before.
__device__ inline void share_columns(const ThreadColumns& from, int group, Columns& to) {
  sync_warpgroup(1 + group);
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int at = i * kWarpgroup + static_cast<int>(threadIdx.x) % kWarpgroup;
    to.bias[at] = from.bias[i];
    to.gate[at] = from.gate[i];
    to.scales[at] = from.scales[i];
  }
  sync_warpgroup(1 + group);
}

__device__ inline Octet octet_at(const float* values) {
  const float4 low = reinterpret_cast<const float4*>(values)[0];
  const float4 high = reinterpret_cast<const float4*>(values)[1];
  return {{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}};
}

// Four lanes have two columns each of four octets; each gets all of one octet. Bit by bit of the lane's number: octets
// of the other bit go to the neighbour, whose columns of one's own come.
__device__ inline Octet exchange(Octet pairs) {
  const auto swap = [&](int low, int high, int mask) {
    const bool upper = (threadIdx.x & static_cast<unsigned>(mask)) != 0;
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      float& mine = pairs.v[2 * low + e];
      float& other = pairs.v[2 * high + e];
      const float come = shuffle_xor(upper ? mine : other, mask);
      if (upper) {
        mine = come;
      } else {
        other = come;
      }
    }
  };
  swap(0, 1, 1);
  swap(2, 3, 1);
  swap(0, 2, 2);
  swap(1, 3, 2);
  return pairs;
}

// As activate(kGeluTanh): the constants are -log2(e) times its own. Off by a few units in the last place of the
// sigmoid.
__device__ inline float gelu_tanh_fast(float x) {
  constexpr float kSlope = -2.3022082f;
  constexpr float kCubed = kSlope * 0.044715f;
  return quotient_fast(x, 1.0f + exp2_fast(x * fmaf(kCubed, x * x, kSlope)));
}

// Where a lane stands in the tile: its rows, `row` and the one eight further on, and its octet of every four.
struct Standing {
  int row = 0;
  int octet = 0;           // 0 to 3
  int whole_columns = 0;   // from its first octet on, as far as octets of out are whole
  std::byte* out[2] = {};  // its first octet in each row
};

__device__ inline Standing standing_in(const PartParameters& part, const Tile& tile, int row) {
  Standing standing;
  standing.row = row;
  standing.octet = static_cast<int>(threadIdx.x) % 4;
  const int column = tile.column + standing.octet * kOctet;
  if (part.whole_octets) standing.whole_columns = part.features - column;
  const int element_bytes = part.out.dtype == DType::kF32 ? 4 : 2;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    standing.out[half] = part.out.data + ((row + half * 8) * part.out.row_stride + column) * element_bytes;
  }
  return standing;
}

inline constexpr int kSpan = 4 * kOctet;  // columns that four lanes exchange
inline constexpr int kSpans = kTileColumns / kSpan;

enum class Finish { kPlain, kGelu, kAccumulate, kAccumulateF32 };

// Of an octet of out, so many 16-byte units.
template <Finish kFinish>
inline constexpr int kUnits = kFinish == Finish::kAccumulateF32 ? 2 : 1;

// What is in `out` before, where octets are whole: of the next spans, so that memory has time to answer.
inline constexpr int kUnitsAhead = 4;
template <Finish kFinish>
inline constexpr int kSpansAhead = kUnitsAhead / kUnits<kFinish>;
struct Before {
  uint4 units[kUnitsAhead][2];
};

__device__ inline bool is_whole(const Standing& standing, int span) {
  return span * kSpan + kOctet <= standing.whole_columns;
}

template <Finish kFinish>
__device__ uint4* units_at(const Standing& standing, int span, int half) {
  return reinterpret_cast<uint4*>(standing.out[half]) + span * 4 * kUnits<kFinish>;
}

template <Finish kFinish>
__device__ void load_before(const LinearParameters& parameters, const Tile& tile, const Standing& standing, int span,
                            Before& before) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = standing.row + half * 8;
    if (span * kSpan >= tile.columns || row >= parameters.rows || !is_whole(standing, span)) continue;
    const uint4* const from = units_at<kFinish>(standing, span, half);
#pragma unroll
    for (int unit = 0; unit < kUnits<kFinish>; ++unit) {
      before.units[span % kSpansAhead<kFinish> * kUnits<kFinish> + unit][half] = from[unit];
    }
  }
}

template <Finish kFinish>
__device__ void load_first_spans(const LinearParameters& parameters, const Tile& tile, const Standing& standing,
                                 Before& before) {
#pragma unroll
  for (int span = 0; span < kSpansAhead<kFinish>; ++span) {
    load_before<kFinish>(parameters, tile, standing, span, before);
  }
}

template <Finish kFinish>
__device__ Octet octet_before(const Before& before, int span, int half) {
  const int first = span % kSpansAhead<kFinish> * kUnits<kFinish>;
  const uint4 low = before.units[first][half];
  if constexpr (kUnits<kFinish> == 1) return octet_of_bf16(low);
  const uint4 high = before.units[first + kUnits<kFinish> - 1][half];
  return {{__uint_as_float(low.x), __uint_as_float(low.y), __uint_as_float(low.z), __uint_as_float(low.w),
           __uint_as_float(high.x), __uint_as_float(high.y), __uint_as_float(high.z), __uint_as_float(high.w)}};
}

template <Finish kFinish>
__device__ void store_octet(uint4* to, const Octet& octet) {
  if constexpr (kUnits<kFinish> == 1) {
    to[0] = make_uint4(bf16_pair(octet.v[0], octet.v[1]), bf16_pair(octet.v[2], octet.v[3]),
                       bf16_pair(octet.v[4], octet.v[5]), bf16_pair(octet.v[6], octet.v[7]));
  } else {
    reinterpret_cast<float4*>(to)[0] = make_float4(octet.v[0], octet.v[1], octet.v[2], octet.v[3]);
    reinterpret_cast<float4*>(to)[1] = make_float4(octet.v[4], octet.v[5], octet.v[6], octet.v[7]);
  }
}

// Brings what the warp's rows of `out` hold into the L2 cache while the tile's products run: the whole card comes to
// its epilogues at about the same time.
__device__ inline void prefetch_before(const LinearParameters& parameters, const PartParameters& part, const Tile& tile,
                                       int first_row) {
  constexpr int kLine = 128;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int row = first_row + lane / 2;
  if (row >= parameters.rows) return;
  const int element_bytes = part.out.dtype == DType::kF32 ? 4 : 2;
  const int bytes = min(tile.columns, part.features - tile.column) * element_bytes;
  const std::byte* const from = part.out.data + (row * part.out.row_stride + tile.column) * element_bytes;
  for (int at = lane % 2 * kLine; at < bytes; at += 2 * kLine) prefetch_line(from + at);
}

// Gates, adds and stores where octets are not whole. One element after another, by way of shared memory, so that the
// code stays small: what the usual octets run through has to stay in the instruction cache.
__device__ inline void store_slowly(const PartParameters& part, int row, int column, const Octet& octet,
                                    const float* gate, float* own_octet) {
  reinterpret_cast<float4*>(own_octet)[0] = make_float4(octet.v[0], octet.v[1], octet.v[2], octet.v[3]);
  reinterpret_cast<float4*>(own_octet)[1] = make_float4(octet.v[4], octet.v[5], octet.v[6], octet.v[7]);
  const int count = min(kOctet, part.features - column);
#pragma unroll 1
  for (int i = 0; i < count; ++i) {
    float value = own_octet[i];
    if (part.accumulate) value = load(part.out, row, column + i) + gate[i] * value;
    store(part.out, row, column + i, value);
  }
}

// Bias, activation, gate and what was there, as finish() has them, and the one rounding.
template <Finish kFinish>
__device__ void finish_tile(const LinearParameters& parameters, const PartParameters& part, const Tile& tile,
                            const Standing& standing, Columns& shared, const float (&row_scales)[2], Before& before,
                            const std::int32_t (&sums)[128]) {
  constexpr bool kAccumulates = kFinish == Finish::kAccumulate || kFinish == Finish::kAccumulateF32;
  const int thread = static_cast<int>(threadIdx.x) % kWarpgroup;
#pragma unroll
  for (int span = 0; span < kSpans; ++span) {
    if (span * kSpan >= tile.columns) continue;
    const int within = span * kSpan + standing.octet * kOctet;
    const int column = tile.column + within;
    const Octet bias = octet_at(shared.bias + within);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      Octet octet;
#pragma unroll
      for (int i = 0; i < kOctet; ++i) {
        octet.v[i] = static_cast<float>(sums[(span * 4 + i / 2) * 4 + half * 2 + i % 2]);
      }
      octet = exchange(octet);
      const int row = standing.row + half * 8;
      if (row >= parameters.rows || column >= part.features) continue;
      const Octet scales = octet_at(shared.scales + within);
#pragma unroll
      for (int i = 0; i < kOctet; ++i) {
        octet.v[i] = rounded_product(octet.v[i], rounded_product(row_scales[half], scales.v[i]));
      }
#pragma unroll
      for (int i = 0; i < kOctet; ++i) {
        octet.v[i] += bias.v[i];
        if constexpr (kFinish == Finish::kGelu) octet.v[i] = gelu_tanh_fast(octet.v[i]);
      }
      if (!is_whole(standing, span)) {
        store_slowly(part, row, column, octet, shared.gate + within, shared.octets[thread]);
        continue;
      }
      if constexpr (kAccumulates) {
        const Octet gate = octet_at(shared.gate + within);
        const Octet there = octet_before<kFinish>(before, span, half);
#pragma unroll
        for (int i = 0; i < kOctet; ++i) octet.v[i] = there.v[i] + gate.v[i] * octet.v[i];
      }
      store_octet<kFinish>(units_at<kFinish>(standing, span, half), octet);
    }
    if constexpr (kAccumulates) {
      load_before<kFinish>(parameters, tile, standing, span + kSpansAhead<kFinish>, before);
    }
  }
}

// A multiplying warpgroup.
template <int kCluster>
__device__ void multiply_tiles(const LinearParameters& parameters, LinearShared& shared) {
  const int group = static_cast<int>(threadIdx.x) / kWarpgroup - 1;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) % kWarpgroup / kWarp;
  Columns& columns = shared.columns[group];
  RingPlace<kStages> place;
  std::int32_t sums[128] = {};
  // One warpgroup gets a head start, so that their epilogues fall into each other's products and not into one time.
  constexpr int kAhead = 2;
  if (group == 1 && parameters.steps > kAhead) wait(&shared.full[kAhead], 0);
  for_each_tile<kCluster>(parameters, [&](const Tile& tile) {
    const PartParameters& part = parameters.parts[tile.part];
    const int first_row = tile.row + group * kGroupRows + warp * 16;
    const bool in_f32 = part.accumulate && part.out.dtype == DType::kF32;
    if (part.accumulate) prefetch_before(parameters, part, tile, first_row);
    const ThreadColumns own_columns = load_columns(part, tile);
    float row_scales[2] = {1, 1};
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = first_row + lane / 4 + half * 8;
      if (row < parameters.rows) row_scales[half] = parameters.x_scales[row];
    }
    const int last = tile.columns == kTileColumns
                         ? multiply_tile<kCluster, true>(shared, group, parameters.steps, place, sums)
                         : multiply_tile<kCluster, false>(shared, group, parameters.steps, place, sums);
    const Standing standing = standing_in(part, tile, first_row + lane / 4);
    Before before;
    if (in_f32) {
      load_first_spans<Finish::kAccumulateF32>(parameters, tile, standing, before);
    } else if (part.accumulate) {
      load_first_spans<Finish::kAccumulate>(parameters, tile, standing, before);
    }
    wait_products<0>();
    hold(sums);
    free_stage<kCluster>(shared, last);
    share_columns(own_columns, group, columns);
    const auto finish = [&]<Finish kFinish>() {
      finish_tile<kFinish>(parameters, part, tile, standing, columns, row_scales, before, sums);
    };
    if (in_f32) {
      finish.template operator()<Finish::kAccumulateF32>();
    } else if (part.accumulate) {
      finish.template operator()<Finish::kAccumulate>();
    } else if (part.gelu) {
      finish.template operator()<Finish::kGelu>();
    } else {
      finish.template operator()<Finish::kPlain>();
    }
  });
}

template <int kCluster>
__global__ void __launch_bounds__(kBlockThreads, 1) linear(const __grid_constant__ LinearParameters parameters) {
  constexpr int kTellers = kCluster * kMultiplying * kWarpgroup / kWarp;
  auto* const memory = shared_memory<unsigned char>();
  const std::uint32_t past = shared_address(memory) % kBoxAlignment;
  auto& shared = *reinterpret_cast<LinearShared*>(memory + (past == 0 ? 0 : kBoxAlignment - past));
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < kStages; ++stage) {
      init_barrier(&shared.full[stage], 1);
      init_barrier(&shared.free[stage], kTellers);
    }
    publish_barriers();
  }
  // No block may be told of a copy before it has barriers, and none may end while the other still tells it something.
  if constexpr (kCluster == 1) {
    sync_block();
  } else {
    sync_cluster();
  }
  if (threadIdx.x < kWarpgroup) {
    shrink_registers<40>();
    if (threadIdx.x == 0) copy_stages<kCluster>(parameters, shared);
  } else {
    grow_registers<232>();
    multiply_tiles<kCluster>(parameters, shared);
  }
  if constexpr (kCluster > 1) sync_cluster();
}

}  // namespace steadyflux::cuda::hopper
