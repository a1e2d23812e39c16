#include "backend/cpu/linear.h"

#include "backend/cpu/convert.h"
#include "backend/cpu/linear_int8.h"
#include "backend/cpu/linear_tile.h"

namespace steadyflux::cpu {
namespace {

// Row tiles of one task, at most: what a task copies of the weights serves all of them.
constexpr std::int64_t kGroupTiles = 4;
// An input that has to be converted, or whose rows lie apart, is copied in strips of this depth, and the weights with
// it. Weights alone are copied in one piece, if it is not larger than this.
constexpr std::int64_t kStripDepth = 1024;
constexpr std::int64_t kMostPanelBytes = 4 << 20;

// How one part is cut. Everything follows from shapes, dtypes and strides.
struct Tiling {
  std::int64_t rows = 0;   // of a task's group
  std::int64_t depth = 0;  // of a strip
  std::int64_t strips = 0;
  DType compute = DType::kF32;
  bool copy_x = false;
  bool copy_w = false;
};

bool has_gaps(const Tensor& matrix) { return matrix.row_stride() != matrix.dim(1); }

// Rows of a task: all groups have equally many tiles, but for the last.
std::int64_t group_rows(std::int64_t rows) {
  const std::int64_t tiles = ceil_div(rows, kTileRows);
  return kTileRows * ceil_div(tiles, ceil_div(tiles, kGroupTiles));
}

Tiling tiling_of(const Context& context, const Tensor& x, const ops::LinearPart& part) {
  const Tensor& weight = part.linear.weight;
  Tiling tiling;
  tiling.rows = group_rows(x.dim(0));
  tiling.compute = context.compute_dtype(x.dtype);
  tiling.copy_x = x.dtype != tiling.compute || has_gaps(x);
  tiling.copy_w = weight.dtype != tiling.compute || has_gaps(weight);
  const auto panel_bytes = kTileCols * x.dim(1) * static_cast<std::int64_t>(dtype_bytes(tiling.compute));
  const bool in_strips = tiling.copy_x || (tiling.copy_w && panel_bytes > kMostPanelBytes);
  tiling.depth = in_strips ? std::min(x.dim(1), kStripDepth) : x.dim(1);
  tiling.strips = ceil_div(x.dim(1), tiling.depth);
  // A strip of several lies with gaps in either operand.
  tiling.copy_x |= tiling.strips > 1;
  tiling.copy_w |= tiling.strips > 1;
  return tiling;
}

MatmulShape product_shape(const Tiling& tiling, std::int64_t rows, std::int64_t cols, Block strip) {
  return {.m = rows,
          .n = cols,
          .k = strip.count,
          .dtype = tiling.compute,
          .layout = WeightLayout::kNk,
          .accumulate = strip.begin > 0};
}

struct Scratch {
  PerWorker<float> sums;
  PerWorker<float> vectors;  // the tile's bias and gate
  PerWorker<std::byte> x;
  PerWorker<std::byte> w;
  PerWorker<std::byte> library;
  Int8Scratch int8;
};

// Prepares every product of the operation and lays the scratch out.
Scratch prepare(Context& context, const ops::LinearMany& op, Arena& arena) {
  const std::int64_t tile_rows = std::min(op.x.dim(0), kTileRows);
  std::int64_t sums = 0;
  std::int64_t x_bytes = 0;
  std::int64_t w_bytes = 0;
  std::size_t library_bytes = 0;
  for (const ops::LinearPart& part : op.parts) {
    if (part.compute == ops::Compute::kInt8) continue;
    const Tensor& weight = part.linear.weight;
    const Tiling tiling = tiling_of(context, op.x, part);
    const auto element_bytes = static_cast<std::int64_t>(dtype_bytes(tiling.compute));
    sums = std::max(sums, (tiling.strips > 1 ? std::min(op.x.dim(0), tiling.rows) : tile_rows) * kTileCols);
    if (tiling.copy_x) x_bytes = std::max(x_bytes, tile_rows * tiling.depth * element_bytes);
    if (tiling.copy_w) w_bytes = std::max(w_bytes, kTileCols * tiling.depth * element_bytes);
    // Full and last, in each of the three directions.
    for (const std::int64_t row_tile : {std::int64_t{0}, ceil_div(op.x.dim(0), kTileRows) - 1}) {
      for (const std::int64_t col_tile : {std::int64_t{0}, ceil_div(weight.dim(0), kTileCols) - 1}) {
        for (const std::int64_t strip : {std::int64_t{0}, std::int64_t{1}, tiling.strips - 1}) {
          if (strip >= tiling.strips) continue;
          const MatmulShape shape = product_shape(tiling, block_at(row_tile, kTileRows, op.x.dim(0)).count,
                                                  block_at(col_tile, kTileCols, weight.dim(0)).count,
                                                  block_at(strip, tiling.depth, op.x.dim(1)));
          library_bytes = std::max(library_bytes, context.products.prepare(shape));
        }
      }
    }
  }
  return {{context, arena, sums},
          {context, arena, 2 * kTileCols},
          {context, arena, x_bytes},
          {context, arena, w_bytes},
          {context, arena, static_cast<std::int64_t>(library_bytes)},
          prepare_int8(context, op, arena)};
}

// Rows `rows` and columns `cols` of a matrix as `to`, without gaps.
const std::byte* copy_block(const Tensor& matrix, Block rows, Block cols, DType to, std::byte* out) {
  const std::size_t offset = dtype_bytes(matrix.dtype) * static_cast<std::size_t>(cols.begin);
  const auto count = static_cast<std::size_t>(cols.count);
  for (std::int64_t r = 0; r < rows.count; ++r) {
    convert(row_address(matrix, rows.begin + r) + offset, matrix.dtype,
            out + static_cast<std::size_t>(r) * count * dtype_bytes(to), to, count);
  }
  return out;
}

// A column tile of one part for a group of rows.
class GroupTask {
 public:
  GroupTask(const Context& context, const Tensor& x, const ops::LinearPart& part, Block rows, Block cols, int worker,
            const Scratch& scratch)
      : context_(context),
        x_(x),
        part_(part),
        tiling_(tiling_of(context, x, part)),
        rows_(rows),
        cols_(cols),
        worker_(worker),
        scratch_(scratch) {}

  void run() const {
    const Tensor& weight = part_.linear.weight;
    for (std::int64_t i = 0; i < tiling_.strips; ++i) {
      const Block strip = block_at(i, tiling_.depth, x_.dim(1));
      const std::byte* w = tiling_.copy_w ? copy_block(weight, cols_, strip, tiling_.compute, scratch_.w[worker_])
                                          : row_address(weight, cols_.begin);
      for (std::int64_t tile = 0; tile * kTileRows < rows_.count; ++tile) {
        Block rows = block_at(tile, kTileRows, rows_.count);
        float* sums = scratch_.sums[worker_] + (tiling_.strips > 1 ? rows.begin * kTileCols : 0);
        rows.begin += rows_.begin;
        multiply(rows, strip, w, sums);
        if (i == tiling_.strips - 1) finish_tile(part_, rows, cols_, sums, scratch_.vectors[worker_]);
      }
    }
  }

 private:
  void multiply(Block rows, Block strip, const std::byte* w, float* sums) const {
    const std::byte* x = tiling_.copy_x ? copy_block(x_, rows, strip, tiling_.compute, scratch_.x[worker_])
                                        : row_address(x_, rows.begin);
    context_.products.run(product_shape(tiling_, rows.count, cols_.count, strip), worker_, x, w, sums,
                          scratch_.library[worker_]);
  }

  const Context& context_;
  const Tensor& x_;
  const ops::LinearPart& part_;
  Tiling tiling_;
  Block rows_;
  Block cols_;
  int worker_;
  const Scratch& scratch_;
};

}  // namespace

std::size_t scratch_bytes(Context& context, const ops::LinearMany& op) {
  if (op.x.dim(0) == 0) return 0;
  Arena arena = Arena::measuring();
  prepare(context, op, arena);
  return arena.peak_bytes();
}

void run(Context& context, const ops::LinearMany& op, Arena& arena) {
  if (op.x.dim(0) == 0) return;
  const Scratch scratch = prepare(context, op, arena);
  convert_input_to_int8(context, op, scratch.int8);
  const std::int64_t rows = op.x.dim(0);
  const std::int64_t group = group_rows(rows);
  const std::int64_t groups = ceil_div(rows, group);
  std::int64_t num_tasks = 0;
  for (const ops::LinearPart& part : op.parts) num_tasks += groups * ceil_div(part.linear.weight.dim(0), kTileCols);

  // Groups of one column tile follow each other: they share its weights in the outer cache.
  context.parallel(num_tasks, [&](std::int64_t task, int worker) {
    for (const ops::LinearPart& part : op.parts) {
      const std::int64_t out_features = part.linear.weight.dim(0);
      const std::int64_t part_tasks = groups * ceil_div(out_features, kTileCols);
      if (task < part_tasks) {
        const Block cols = block_at(task / groups, kTileCols, out_features);
        const Block group_of_rows = block_at(task % groups, group, rows);
        if (part.compute == ops::Compute::kInt8) {
          run_int8_tile(context, op.x, part, group_of_rows, cols, worker, scratch.int8);
        } else {
          GroupTask(context, op.x, part, group_of_rows, cols, worker, scratch).run();
        }
        return;
      }
      task -= part_tasks;
    }
  });
}

}  // namespace steadyflux::cpu
