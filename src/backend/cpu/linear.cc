#include "backend/cpu/linear.h"

#include "backend/cpu/convert.h"
#include "backend/cpu/epilogue.h"

namespace steadyflux::cpu {
namespace {

// A tile's f32 sums (128 KiB) and a strip of its operands stay in a core's L2. Measured on Zen 4 (bf16, 3072 and 15360
// deep, 64 to 512 columns, 64 to 1024 rows): this size reaches 96-100 % of the library's own rate, larger ones no more.
constexpr std::int64_t kTileRows = 256;
constexpr std::int64_t kTileCols = 128;
// An operand that has to be converted first is so in strips of this depth.
constexpr std::int64_t kConvertedDepth = 1024;

// How one part is cut. Everything follows from shapes, dtypes and strides.
struct Tiling {
  std::int64_t row_tiles = 0;
  std::int64_t col_tiles = 0;
  std::int64_t depth = 0;  // of a strip
  std::int64_t strips = 0;
  DType compute = DType::kF32;
  bool convert_x = false;
  bool convert_w = false;
};

Tiling tiling_of(const Context& context, const Tensor& x, const ops::LinearPart& part) {
  Tiling tiling;
  tiling.row_tiles = ceil_div(x.dim(0), kTileRows);
  tiling.col_tiles = ceil_div(part.linear.weight.dim(0), kTileCols);
  tiling.compute = context.compute_dtype(x.dtype);
  tiling.convert_x = x.dtype != tiling.compute;
  tiling.convert_w = part.linear.weight.dtype != tiling.compute;
  tiling.depth = tiling.convert_x || tiling.convert_w ? std::min(x.dim(1), kConvertedDepth) : x.dim(1);
  tiling.strips = ceil_div(x.dim(1), tiling.depth);
  return tiling;
}

MatmulShape product_shape(const Tiling& tiling, const Tensor& x, const Tensor& weight, std::int64_t rows,
                          std::int64_t cols, Block strip) {
  return {.m = rows,
          .n = cols,
          .k = strip.count,
          .x_stride = tiling.convert_x ? tiling.depth : x.row_stride(),
          .w_stride = tiling.convert_w ? tiling.depth : weight.row_stride(),
          .y_stride = kTileCols,
          .dtype = tiling.compute,
          .w_is_nk = true,
          .accumulate = strip.begin > 0};
}

struct Scratch {
  PerWorker<float> sums;
  PerWorker<float> vectors;  // the tile's bias and gate
  PerWorker<std::byte> x;
  PerWorker<std::byte> w;
  PerWorker<std::byte> library;
};

// Prepares every product of the operation and lays the scratch out.
Scratch prepare(Context& context, const ops::LinearMany& op, Arena& arena) {
  const std::int64_t tile_rows = std::min(op.x.dim(0), kTileRows);
  std::int64_t x_bytes = 0;
  std::int64_t w_bytes = 0;
  std::size_t library_bytes = 0;
  for (const ops::LinearPart& part : op.parts) {
    const Tensor& weight = part.linear.weight;
    const Tiling tiling = tiling_of(context, op.x, part);
    const auto element_bytes = static_cast<std::int64_t>(dtype_bytes(tiling.compute));
    if (tiling.convert_x) x_bytes = std::max(x_bytes, tile_rows * tiling.depth * element_bytes);
    if (tiling.convert_w) w_bytes = std::max(w_bytes, kTileCols * tiling.depth * element_bytes);
    // Full and last, in each of the three directions.
    for (const std::int64_t row_tile : {std::int64_t{0}, tiling.row_tiles - 1}) {
      for (const std::int64_t col_tile : {std::int64_t{0}, tiling.col_tiles - 1}) {
        for (const std::int64_t strip : {std::int64_t{0}, std::int64_t{1}, tiling.strips - 1}) {
          if (strip >= tiling.strips) continue;
          const MatmulShape shape = product_shape(
              tiling, op.x, weight, block_at(row_tile, kTileRows, op.x.dim(0)).count,
              block_at(col_tile, kTileCols, weight.dim(0)).count, block_at(strip, tiling.depth, op.x.dim(1)));
          library_bytes = std::max(library_bytes, context.products.prepare(shape));
        }
      }
    }
  }
  return {{context, arena, tile_rows * kTileCols},
          {context, arena, 2 * kTileCols},
          {context, arena, x_bytes},
          {context, arena, w_bytes},
          {context, arena, static_cast<std::int64_t>(library_bytes)}};
}

// Rows `rows` and columns [col, col + depth) of a matrix as `to`, packed `depth` apart.
void convert_rows(const Tensor& matrix, Block rows, Block cols, DType to, std::int64_t stride, std::byte* out) {
  const std::size_t from_bytes = dtype_bytes(matrix.dtype) * static_cast<std::size_t>(cols.begin);
  const std::size_t row_bytes = dtype_bytes(to) * static_cast<std::size_t>(stride);
  for (std::int64_t r = 0; r < rows.count; ++r) {
    convert(row_address(matrix, rows.begin + r) + from_bytes, matrix.dtype,
            out + static_cast<std::size_t>(r) * row_bytes, to, static_cast<std::size_t>(cols.count));
  }
}

const float* tile_vector(const Tensor& vector, Block cols, float* buffer) {
  if (vector.empty()) return nullptr;
  Tensor part = vector;
  part.data += static_cast<std::size_t>(cols.begin) * dtype_bytes(vector.dtype);
  part.shape = {cols.count};
  return widen_vector(part, buffer);
}

void run_tile(const Context& context, const Tensor& x, const ops::LinearPart& part, Block rows, Block cols, int worker,
              const Scratch& scratch) {
  const Tensor& weight = part.linear.weight;
  const Tiling tiling = tiling_of(context, x, part);
  float* sums = scratch.sums[worker];
  for (std::int64_t i = 0; i < tiling.strips; ++i) {
    const Block strip = block_at(i, tiling.depth, x.dim(1));
    const std::byte* x_strip = row_address(x, rows.begin);
    if (tiling.convert_x) {
      convert_rows(x, rows, strip, tiling.compute, tiling.depth, scratch.x[worker]);
      x_strip = scratch.x[worker];
    } else {
      x_strip += static_cast<std::size_t>(strip.begin) * dtype_bytes(x.dtype);
    }
    const std::byte* w_strip = row_address(weight, cols.begin);
    if (tiling.convert_w) {
      convert_rows(weight, cols, strip, tiling.compute, tiling.depth, scratch.w[worker]);
      w_strip = scratch.w[worker];
    } else {
      w_strip += static_cast<std::size_t>(strip.begin) * dtype_bytes(weight.dtype);
    }
    context.products.run(product_shape(tiling, x, weight, rows.count, cols.count, strip), worker, x_strip, w_strip,
                         sums, scratch.library[worker]);
  }
  float* vectors = scratch.vectors[worker];
  const Epilogue epilogue{.bias = tile_vector(part.linear.bias, cols, vectors),
                          .gate = tile_vector(part.gate, cols, vectors + kTileCols),
                          .activation = part.activation,
                          .accumulate = part.accumulate};
  std::byte* out =
      row_address(part.out, rows.begin) + static_cast<std::size_t>(cols.begin) * dtype_bytes(part.out.dtype);
  store_tile(sums, kTileCols, rows.count, cols.count, epilogue, out, part.out.dtype, part.out.row_stride());
}

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
  const std::int64_t row_tiles = ceil_div(op.x.dim(0), kTileRows);
  std::int64_t num_tasks = 0;
  for (const ops::LinearPart& part : op.parts) num_tasks += row_tiles * ceil_div(part.linear.weight.dim(0), kTileCols);

  // Row tiles of one column tile follow each other: they share its weights in the outer cache.
  context.parallel(num_tasks, [&](std::int64_t task, int worker) {
    for (const ops::LinearPart& part : op.parts) {
      const std::int64_t out_features = part.linear.weight.dim(0);
      const std::int64_t part_tasks = row_tiles * ceil_div(out_features, kTileCols);
      if (task < part_tasks) {
        run_tile(context, op.x, part, block_at(task % row_tiles, kTileRows, op.x.dim(0)),
                 block_at(task / row_tiles, kTileCols, out_features), worker, scratch);
        return;
      }
      task -= part_tasks;
    }
  });
}

}  // namespace steadyflux::cpu
