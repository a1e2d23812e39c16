#include "backend/cpu/linear_float.h"

#include "backend/cpu/convert.h"
#include "backend/cpu/decode.h"
#include "backend/cpu/linear_tile.h"
#include "backend/cpu/rows.h"
#include "backend/cpu/transpose.h"

namespace steadyflux::cpu {
namespace {

// Row tiles of one task, at most: what a task copies of the weights serves all of them.
constexpr std::int64_t kGroupTiles = 4;
// f32 operands are cut into strips of this depth, of which a tile of each stays in a core's L2: the library reaches 2
// to 4 % more on them than on 3072 or more (2.6, AVX-512; with AVX2, 1.5 times as much as on 12288). Both depths are
// whole blocks of every quantised type.
constexpr std::int64_t kStripDepth = 1024;
constexpr std::int64_t kWholeDepth = 16384;  // of bf16, which is multiplied where it lies if it can
// Weights are turned over in as many rows at a time: of f32, a cache line.
constexpr std::int64_t kTurnedRows = 16;
// An input that is not multiplied where it lies is copied, once for all parts, as many rows at a time.
constexpr std::int64_t kMostInputBytes = 128 << 20;

// How so many rows of the operation are cut. Everything follows from shapes, dtypes and strides.
struct Tiling {
  DType compute = DType::kF32;
  std::int64_t depth = 0;  // of a strip
  std::int64_t strips = 0;
  std::int64_t group = 0;  // rows of a task
  std::int64_t block = 0;  // rows of the input at a time: whole tiles, of how many rows there ever are
  bool copy_x = false;
  bool turn_w = false;

  std::int64_t element_bytes() const { return static_cast<std::int64_t>(dtype_bytes(compute)); }
};

bool has_gaps(const Tensor& matrix) { return matrix.row_stride() != matrix.dim(1); }

bool is_float(const ops::LinearPart& part) { return part.compute == ops::Compute::kFloat; }

// Rows of a task: all groups have equally many tiles, but for the last.
std::int64_t group_rows(std::int64_t rows) {
  const std::int64_t tiles = ceil_div(rows, kTileRows);
  return kTileRows * ceil_div(tiles, ceil_div(tiles, kGroupTiles));
}

bool lies_ready(const Tensor& matrix, DType compute) { return matrix.dtype == compute && !has_gaps(matrix); }

std::int64_t strip_depth(const Tiling& tiling, const ops::LinearMany& op) {
  if (tiling.compute == DType::kBF16) return kWholeDepth;
  const bool in_place = !tiling.turn_w && std::all_of(op.parts.begin(), op.parts.end(), [&](const auto& part) {
    return !is_float(part) || lies_ready(part.linear.weight, tiling.compute);
  });
  return in_place ? kWholeDepth : kStripDepth;
}

Tiling tiling_of(const Context& context, const ops::LinearMany& op, std::int64_t rows) {
  const std::int64_t features = op.x.dim(1);
  Tiling tiling;
  tiling.compute = context.compute_dtype(op.x.dtype);
  tiling.turn_w = tiling.compute == DType::kF32 && rows > kMostFewRows;
  tiling.depth = std::min(features, strip_depth(tiling, op));
  tiling.strips = ceil_div(features, tiling.depth);
  tiling.copy_x = tiling.strips > 1 || !lies_ready(op.x, tiling.compute);
  const std::int64_t most_tiles = kMostInputBytes / (kTileRows * features * tiling.element_bytes());
  tiling.block = tiling.copy_x ? kTileRows * std::max(kGroupTiles, most_tiles) : rows;
  tiling.group = group_rows(std::min(rows, tiling.block));
  return tiling;
}

// Whether a part's weights go through a panel: turned over, or converted, or without the gaps between strips.
bool copies_w(const Tiling& tiling, const Tensor& weight) {
  return tiling.turn_w || tiling.strips > 1 || !lies_ready(weight, tiling.compute);
}

MatmulShape product_shape(const Tiling& tiling, std::int64_t rows, std::int64_t cols, Block strip) {
  return {.m = rows,
          .n = cols,
          .k = strip.count,
          .dtype = tiling.compute,
          .layout = tiling.turn_w ? WeightLayout::kKn : WeightLayout::kNk,
          .accumulate = strip.begin > 0};
}

// Prepares every product of `rows` rows and a part: full and last, in each of the three directions.
std::size_t prepare_products(Context& context, const Tiling& tiling, std::int64_t rows, const ops::LinearMany& op,
                             const ops::LinearPart& part) {
  const std::int64_t cols = part.out.dim(1);
  std::size_t library_bytes = 0;
  for (const std::int64_t row_tile : {std::int64_t{0}, ceil_div(rows, kTileRows) - 1}) {
    for (const std::int64_t col_tile : {std::int64_t{0}, ceil_div(cols, kTileCols) - 1}) {
      for (const std::int64_t strip : {std::int64_t{0}, std::int64_t{1}, tiling.strips - 1}) {
        if (strip >= tiling.strips) continue;
        const MatmulShape shape =
            product_shape(tiling, block_at(row_tile, kTileRows, rows).count, block_at(col_tile, kTileCols, cols).count,
                          block_at(strip, tiling.depth, op.x.dim(1)));
        library_bytes = std::max(library_bytes, context.products.prepare(shape));
      }
    }
  }
  return library_bytes;
}

// Rows `rows` and columns `cols` of a matrix as `to`, without gaps.
const std::byte* copy_block(const Tensor& matrix, Block rows, Block cols, DType to, std::byte* out) {
  for (std::int64_t r = 0; r < rows.count; ++r) {
    decode_run(matrix, rows.begin + r, cols.begin, cols.count, out + bytes_of(to, r * cols.count), to);
  }
  return out;
}

// The input as it is multiplied: rows of a block of it, in strips.
class Input {
 public:
  Input(const Tiling& tiling, const Tensor& x, Block block, std::byte* copy)
      : tiling_(tiling), x_(x), block_(block), copy_(copy) {}

  void fill(Context& context) const {
    if (!tiling_.copy_x) return;
    parallel_rows(context, block_.count, x_.dim(1), [this](std::int64_t row, int) {
      for (std::int64_t i = 0; i < tiling_.strips; ++i) {
        const Block strip = block_at(i, tiling_.depth, x_.dim(1));
        copy_block(x_, {block_.begin + row, 1}, strip, tiling_.compute, copy_ + offset(strip, row));
      }
    });
  }

  // Of a row of x, which is in the block.
  const std::byte* address(std::int64_t row, Block strip) const {
    return tiling_.copy_x ? copy_ + offset(strip, row - block_.begin) : row_address(x_, row);
  }

 private:
  std::size_t offset(Block strip, std::int64_t row) const {
    return bytes_of(tiling_.compute, strip.begin * block_.count + row * strip.count);
  }

  const Tiling& tiling_;
  const Tensor& x_;
  Block block_;
  std::byte* copy_;
};

// A column tile of one part for a group of rows.
class GroupTask {
 public:
  GroupTask(const Context& context, const Tiling& tiling, const Input& input, const ops::LinearPart& part, Block rows,
            Block cols, int worker, const FloatScratch& scratch)
      : context_(context),
        tiling_(tiling),
        input_(input),
        part_(part),
        rows_(rows),
        cols_(cols),
        worker_(worker),
        scratch_(scratch) {}

  void run() const {
    for (std::int64_t i = 0; i < tiling_.strips; ++i) {
      const Block strip = block_at(i, tiling_.depth, part_.linear.weight.dim(1));
      const std::byte* w = weights(strip);
      for (std::int64_t tile = 0; tile * kTileRows < rows_.count; ++tile) {
        Block rows = block_at(tile, kTileRows, rows_.count);
        float* sums = scratch_.sums[worker_] + (tiling_.strips > 1 ? rows.begin * kTileCols : 0);
        rows.begin += rows_.begin;
        context_.products.run(product_shape(tiling_, rows.count, cols_.count, strip), worker_,
                              input_.address(rows.begin, strip), w, sums, scratch_.of_library[worker_]);
        if (i == tiling_.strips - 1) finish_tile(part_, rows, cols_, sums, scratch_.vectors[worker_]);
      }
    }
  }

 private:
  const std::byte* weights(Block strip) const {
    const Tensor& weight = part_.linear.weight;
    if (!copies_w(tiling_, weight)) return row_address(weight, cols_.begin);
    std::byte* panel = scratch_.w[worker_];
    if (!tiling_.turn_w) return copy_block(weight, cols_, strip, tiling_.compute, panel);
    std::byte* rows = scratch_.w_rows[worker_];
    for (std::int64_t i = 0; i < cols_.count; i += kTurnedRows) {
      const Block some = {cols_.begin + i, std::min(kTurnedRows, cols_.count - i)};
      copy_block(weight, some, strip, tiling_.compute, rows);
      transpose(reinterpret_cast<const float*>(rows), strip.count, some.count, strip.count,
                reinterpret_cast<float*>(panel) + i, cols_.count);
    }
    return panel;
  }

  const Context& context_;
  const Tiling& tiling_;
  const Input& input_;
  const ops::LinearPart& part_;
  Block rows_;
  Block cols_;
  int worker_;
  const FloatScratch& scratch_;
};

}  // namespace

FloatScratch prepare_float(Context& context, const ops::LinearMany& op, std::int64_t rows, Arena& arena) {
  if (std::none_of(op.parts.begin(), op.parts.end(), is_float)) return {};
  const Tiling tiling = tiling_of(context, op, rows);
  std::int64_t w_bytes = 0;
  std::size_t library_bytes = 0;
  for (const ops::LinearPart& part : op.parts) {
    if (!is_float(part)) continue;
    if (copies_w(tiling, part.linear.weight)) w_bytes = kTileCols * tiling.depth * tiling.element_bytes();
    library_bytes = std::max(library_bytes, prepare_products(context, tiling, rows, op, part));
  }
  // Of the largest group there can be, which is not that of the most rows.
  const std::int64_t sum_rows = std::min(rows, kTileRows * (tiling.strips > 1 ? kGroupTiles : 1));
  const std::int64_t x_rows = tiling.copy_x ? std::min(rows, tiling.block) : 0;
  FloatScratch scratch;
  scratch.x = allocate_shared<std::byte>(arena, x_rows * op.x.dim(1) * tiling.element_bytes());
  scratch.sums = {context, arena, sum_rows * kTileCols};
  scratch.vectors = {context, arena, 2 * kTileCols};
  scratch.w = {context, arena, w_bytes};
  scratch.w_rows = {context, arena, tiling.turn_w ? kTurnedRows * tiling.depth * tiling.element_bytes() : 0};
  scratch.of_library = {context, arena, static_cast<std::int64_t>(library_bytes)};
  return scratch;
}

void run_float_parts(Context& context, const ops::LinearMany& op, const FloatScratch& scratch) {
  if (std::none_of(op.parts.begin(), op.parts.end(), is_float)) return;
  const Tiling tiling = tiling_of(context, op, op.x.dim(0));
  for (std::int64_t i = 0; i * tiling.block < op.x.dim(0); ++i) {
    const Block block = block_at(i, tiling.block, op.x.dim(0));
    const Input input(tiling, op.x, block, scratch.x);
    input.fill(context);
    parallel_tiles(context, op, ops::Compute::kFloat, block, tiling.group,
                   [&](const ops::LinearPart& part, Block rows, Block cols, int worker) {
                     GroupTask(context, tiling, input, part, rows, cols, worker, scratch).run();
                   });
  }
}

}  // namespace steadyflux::cpu
