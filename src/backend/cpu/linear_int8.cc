#include "backend/cpu/linear_int8.h"

#include <algorithm>

#include "backend/cpu/convert.h"
#include "backend/cpu/decode.h"
#include "backend/cpu/linear_tile.h"
#include "backend/cpu/rows.h"
#include "tensor/codec.h"

namespace steadyflux::cpu {
namespace {

// A tile of x and one of the weight, cut to a strip of this depth, stay in a core's L2 beside their sums.
constexpr std::int64_t kByteDepth = 3072;
constexpr std::int64_t kWordDepth = 2048;

// How rows of integers are cut. Strips are of one depth; the last one ends with zeros.
struct Strips {
  Int8Form form = Int8Form::kBytes;
  std::int64_t features = 0;
  std::int64_t depth = 0;
  std::int64_t count = 0;

  std::size_t element_bytes() const { return form == Int8Form::kBytes ? 1 : 2; }
  std::size_t bytes(std::int64_t rows) const { return static_cast<std::size_t>(rows * depth) * element_bytes(); }
  // Row `row` of strip `strip` in a block of `rows` rows.
  std::size_t offset(std::int64_t strip, std::int64_t rows, std::int64_t row) const {
    return bytes(strip * rows + row);
  }
};

Strips strips_of(const Context& context, std::int64_t features) {
  const bool bytes = context.int8_form == Int8Form::kBytes;
  const std::int64_t count = ceil_div(features, bytes ? kByteDepth : kWordDepth);
  const std::int64_t depth = ceil_div(ceil_div(features, count), kWordsMultiple) * kWordsMultiple;
  return {context.int8_form, features, depth, count};
}

bool is_int8(const ops::LinearPart& part) { return part.compute == ops::Compute::kInt8; }

MatmulShape product_shape(const Strips& strips, std::int64_t strip, std::int64_t rows, std::int64_t cols) {
  return {.m = rows,
          .n = cols,
          .k = strips.depth,
          .dtype = DType::kI8,
          .layout = WeightLayout::kNk,
          .accumulate = strip > 0};
}

std::size_t prepare_products(Context& context, const Strips& strips, std::int64_t rows, std::int64_t cols) {
  std::size_t library_bytes = 0;
  for (const std::int64_t row_tile : {std::int64_t{0}, ceil_div(rows, kTileRows) - 1}) {
    for (const std::int64_t col_tile : {std::int64_t{0}, ceil_div(cols, kTileCols) - 1}) {
      for (const std::int64_t strip : {std::int64_t{0}, strips.count - 1}) {
        const MatmulShape shape = product_shape(strips, strip, block_at(row_tile, kTileRows, rows).count,
                                                block_at(col_tile, kTileCols, cols).count);
        library_bytes = std::max(library_bytes, context.products.prepare(shape));
      }
    }
  }
  return library_bytes;
}

// Writes a row of integers, cut into strips.
class RowCutter {
 public:
  RowCutter(const Strips& strips, std::byte* block, std::int64_t rows, std::int64_t row)
      : strips_(strips), block_(block), rows_(rows), row_(row) {}

  // Calls convert(feature, count, out) for each strip.
  template <typename Convert>
  void cut(const Convert& convert) const {
    for (std::int64_t strip = 0; strip < strips_.count; ++strip) {
      const Block part = block_at(strip, strips_.depth, strips_.features);
      std::byte* out = block_ + strips_.offset(strip, rows_, row_);
      convert(part.begin, part.count, out);
      std::fill(out + static_cast<std::size_t>(part.count) * strips_.element_bytes(), out + strips_.bytes(1),
                std::byte{0});
    }
  }

 private:
  const Strips& strips_;
  std::byte* block_;
  std::int64_t rows_;
  std::int64_t row_;
};

// A row where it lies, or decoded to `buffer`.
FloatRow float_row(const Tensor& matrix, std::int64_t row, float* buffer) {
  if (matrix.dtype == DType::kF32 || matrix.dtype == DType::kBF16) return {row_address(matrix, row), matrix.dtype};
  auto* floats = reinterpret_cast<std::byte*>(buffer);
  decode_run(matrix, row, 0, matrix.dim(1), floats, DType::kF32);
  return {floats, DType::kF32};
}

// Converts a row that is not stored in integers; the sum of these, in bytes, goes to `sum`.
void convert_weight_row(FloatRow row, const Int8Scale& scale, const RowCutter& cutter, Int8Form form,
                        std::int32_t& sum) {
  cutter.cut([&](std::int64_t begin, std::int64_t count, std::byte* out) {
    if (form == Int8Form::kBytes) {
      sum += integers_of_weight(row.from(begin), count, scale.inverse, reinterpret_cast<std::int8_t*>(out));
    } else {
      words_of(row.from(begin), count, scale.inverse, reinterpret_cast<std::int16_t*>(out));
    }
  });
}

void copy_weight_row(const std::int8_t* row, const RowCutter& cutter, Int8Form form, std::int32_t& sum) {
  cutter.cut([&](std::int64_t begin, std::int64_t count, std::byte* out) {
    if (form == Int8Form::kBytes) {
      std::copy_n(row + begin, count, reinterpret_cast<std::int8_t*>(out));
      sum += sum_of(row + begin, count);
    } else {
      words_of(row + begin, count, reinterpret_cast<std::int16_t*>(out));
    }
  });
}

// A column tile's weights.
void convert_weights(const Strips& strips, const Tensor& weight, Block cols, int worker, const Int8Scratch& scratch) {
  for (std::int64_t c = 0; c < cols.count; ++c) {
    const RowCutter cutter(strips, scratch.w[worker], cols.count, c);
    const std::int64_t row = cols.begin + c;
    std::int32_t sum = 0;
    if (weight.dtype == DType::kI8) {
      copy_weight_row(reinterpret_cast<const std::int8_t*>(row_address(weight, row)), cutter, strips.form, sum);
      scratch.w_scales[worker][c] = codec::scale_at(weight, row);
    } else {
      const FloatRow floats = float_row(weight, row, scratch.row[worker]);
      const Int8Scale scale = int8_scale(floats, strips.features);
      convert_weight_row(floats, scale, cutter, strips.form, sum);
      scratch.w_scales[worker][c] = scale.scale;
    }
    scratch.corrections[worker][c] = 128 * sum;
  }
}

// Fills x and x_scales, on all workers.
void convert_input(Context& context, const ops::LinearMany& op, const Int8Scratch& scratch) {
  const Strips strips = strips_of(context, op.x.dim(1));
  parallel_rows(context, op.x.dim(0), op.x.dim(1), [&](std::int64_t row, int worker) {
    const FloatRow floats = float_row(op.x, row, scratch.row[worker]);
    const Int8Scale scale = int8_scale(floats, strips.features);
    scratch.x_scales[row] = scale.scale;
    RowCutter(strips, scratch.x, op.x.dim(0), row).cut([&](std::int64_t begin, std::int64_t count, std::byte* out) {
      if (strips.form == Int8Form::kBytes) {
        integers_of_x(floats.from(begin), count, scale.inverse, reinterpret_cast<std::uint8_t*>(out));
      } else {
        words_of(floats.from(begin), count, scale.inverse, reinterpret_cast<std::int16_t*>(out));
      }
    });
  });
}

// A column tile of a part for a group of rows.
void run_tile(const Context& context, const Tensor& x, const ops::LinearPart& part, Block rows, Block cols, int worker,
              const Int8Scratch& scratch) {
  const Strips strips = strips_of(context, x.dim(1));
  convert_weights(strips, part.linear.weight, cols, worker, scratch);
  float* sums = scratch.sums[worker];
  for (std::int64_t tile = 0; tile * kTileRows < rows.count; ++tile) {
    Block tile_rows = block_at(tile, kTileRows, rows.count);
    tile_rows.begin += rows.begin;
    for (std::int64_t strip = 0; strip < strips.count; ++strip) {
      const std::byte* x_block = scratch.x + strips.offset(strip, x.dim(0), tile_rows.begin);
      const std::byte* w_block = scratch.w[worker] + strips.offset(strip, cols.count, 0);
      if (strips.form == Int8Form::kBytes) {
        context.products.run(product_shape(strips, strip, tile_rows.count, cols.count), worker, x_block, w_block, sums,
                             scratch.of_library[worker]);
      } else {
        multiply_words(reinterpret_cast<const std::int16_t*>(x_block), reinterpret_cast<const std::int16_t*>(w_block),
                       tile_rows.count, cols.count, strips.depth, strip > 0, reinterpret_cast<std::int32_t*>(sums));
      }
    }
    scale_sums(sums, tile_rows.count, cols.count, scratch.corrections[worker], scratch.x_scales + tile_rows.begin,
               scratch.w_scales[worker]);
    finish_tile(part, tile_rows, cols, sums, scratch.vectors[worker]);
  }
}

// Rows of a task in int8: as many as leave every worker several tasks, which may follow the number of workers because
// no cut changes a bit. What a task converts of the weights serves all of them.
std::int64_t int8_group_rows(const Context& context, const ops::LinearMany& op) {
  constexpr std::int64_t kTasksPerWorker = 4;
  std::int64_t col_tiles = 0;
  for (const ops::LinearPart& part : op.parts) {
    if (is_int8(part)) col_tiles += ceil_div(part.out.dim(1), kTileCols);
  }
  const std::int64_t tiles = ceil_div(op.x.dim(0), kTileRows);
  const std::int64_t of_a_task = tiles * col_tiles / (kTasksPerWorker * context.num_workers());
  return kTileRows * std::clamp<std::int64_t>(of_a_task, 1, tiles);
}

}  // namespace

Int8Scratch prepare_int8(Context& context, const ops::LinearMany& op, Arena& arena) {
  if (std::none_of(op.parts.begin(), op.parts.end(), is_int8)) return {};
  const std::int64_t rows = op.x.dim(0);
  const Strips strips = strips_of(context, op.x.dim(1));
  std::size_t library_bytes = 0;
  for (const ops::LinearPart& part : op.parts) {
    if (is_int8(part) && strips.form == Int8Form::kBytes) {
      library_bytes = std::max(library_bytes, prepare_products(context, strips, rows, part.out.dim(1)));
    }
  }
  Int8Scratch scratch;
  scratch.x = arena.allocate(strips.bytes(strips.count * rows));
  scratch.x_scales = allocate_shared<float>(arena, rows);
  scratch.row = {context, arena, strips.features};
  scratch.w = {context, arena, static_cast<std::int64_t>(strips.bytes(strips.count * kTileCols))};
  scratch.w_scales = {context, arena, kTileCols};
  scratch.corrections = {context, arena, kTileCols};
  scratch.sums = {context, arena, std::min(rows, kTileRows) * kTileCols};
  scratch.vectors = {context, arena, 2 * kTileCols};
  scratch.of_library = {context, arena, static_cast<std::int64_t>(library_bytes)};
  return scratch;
}

void run_int8_parts(Context& context, const ops::LinearMany& op, const Int8Scratch& scratch) {
  if (scratch.x == nullptr) return;
  convert_input(context, op, scratch);
  parallel_tiles(context, op, ops::Compute::kInt8, {0, op.x.dim(0)}, int8_group_rows(context, op),
                 [&](const ops::LinearPart& part, Block group, Block cols, int worker) {
                   run_tile(context, op.x, part, group, cols, worker, scratch);
                 });
}

}  // namespace steadyflux::cpu
