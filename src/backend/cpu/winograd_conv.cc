#include "backend/cpu/winograd_conv.h"

#include <array>
#include <cstring>

#include "backend/cpu/conv_filters.h"
#include "backend/cpu/convert.h"
#include "backend/cpu/epilogue.h"
#include "backend/cpu/winograd_transforms.h"

namespace steadyflux::cpu {
namespace {

// Tiles are taken at a time that keep their points near a core's L2.
constexpr std::int64_t kPointsBytes = 2 << 20;
constexpr std::int64_t kLeastTiles = 32;
constexpr std::int64_t kMostTiles = 128;
// Below that, products are so thin that the transforms cost what they save.
constexpr std::int64_t kLeastChannels = 64;
// Floats between the points' matrices, so that not all points of a tile fall into one set of the cache.
constexpr std::int64_t kStepPadding = 16;

struct Plan {
  WinogradSide side = WinogradSide::kPlain;
  std::int64_t points = 0;
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::int64_t tiles = 0;     // at a time
  std::int64_t tile_row = 0;  // of out, where the first row of tiles begins: -1 when the whole's tiles begin there
  std::int64_t tiles_wide = 0;
  std::int64_t num_tiles = 0;

  // From one point's matrix to the next.
  std::int64_t input_step() const { return tiles * in_channels + kStepPadding; }
  std::int64_t products_step(std::int64_t cols) const { return tiles * cols + kStepPadding; }
};

// Whether the doubled pixels of every tile's input are its two middle rows and columns.
bool doubles_in_tiles(const ops::Conv2d& op) { return (op.first_row + op.pad_top) % 2 == 1 && op.pad_left % 2 == 1; }

Plan plan_of(const ops::Conv2d& op) {
  Plan plan;
  plan.side = op.upsample == 2 ? WinogradSide::kDoubled : WinogradSide::kPlain;
  plan.points = num_points(plan.side);
  plan.out_channels = op.weight.dim(0);
  plan.in_channels = op.weight.dim(1);
  plan.tiles = kMostTiles;
  const auto bytes = plan.points * plan.in_channels * static_cast<std::int64_t>(sizeof(float));
  while (plan.tiles > kLeastTiles && plan.tiles * bytes > kPointsBytes) plan.tiles /= 2;
  plan.tile_row = -(op.first_row % 2);
  plan.tiles_wide = ceil_div(op.out.dim(1), 2);
  plan.num_tiles = plan.tiles_wide * ceil_div(op.out.dim(0) - plan.tile_row, 2);
  return plan;
}

MatmulShape product_shape(const Plan& plan, std::int64_t cols) {
  return {.m = plan.tiles,
          .n = cols,
          .k = plan.in_channels,
          .dtype = DType::kF32,
          .layout = WeightLayout::kPacked,
          .accumulate = false};
}

struct Scratch {
  std::byte* weights;  // of all column tiles and points, packed
  float* bias;
  std::byte* no_pixel;        // zeros, of the pixels outside
  PerWorker<float> input;     // [points, tiles, in_channels]; of filters, [points, cols, in_channels]
  PerWorker<float> products;  // [points, tiles, cols]; of filters, two as they lie and reordered
  PerWorker<float> result;    // [4, cols]
  PerWorker<std::byte> of_library;
  std::int64_t packed_bytes;  // from the packed weights of one point to those of the next

  std::byte* weights_at(const Plan& plan, std::int64_t col_tile, std::int64_t point) const {
    return weights + (col_tile * plan.points + point) * packed_bytes;
  }
};

// Prepares the products and lays the scratch out.
Scratch prepare(Context& context, const ops::Conv2d& op, Arena& arena) {
  const Plan plan = plan_of(op);
  const ConvProducts products =
      prepare_conv_products(context, plan.out_channels, [&](std::int64_t cols) { return product_shape(plan, cols); });
  const std::int64_t cols = std::min(plan.out_channels, kConvCols);
  const std::int64_t filters = plan.points * cols * plan.in_channels;
  return {allocate_shared<std::byte>(arena, products.num_tiles * plan.points * products.packed_bytes),
          allocate_shared<float>(arena, plan.out_channels),
          allocate_shared<std::byte>(arena, plan.in_channels * static_cast<std::int64_t>(sizeof(float))),
          {context, arena, std::max(plan.points * plan.input_step(), filters)},
          {context, arena, std::max(plan.points * plan.products_step(cols), taps_buffer_floats(op.weight))},
          {context, arena, 4 * cols},
          {context, arena, products.bytes_of_library},
          products.packed_bytes};
}

// The filters of one column tile at all points, packed.
void pack_tile(const Context& context, const Plan& plan, const ops::Conv2d& op, const Scratch& scratch,
               std::int64_t col_tile, int worker) {
  const Block cols = block_at(col_tile, kConvCols, plan.out_channels);
  float* points = scratch.input[worker];
  const std::int64_t step = cols.count * plan.in_channels;
  for (std::int64_t i = 0; i < cols.count; ++i) {
    const float* taps = taps_of(op.weight, cols.begin + i, scratch.products[worker]);
    winograd_filter(plan.side, taps, plan.in_channels, {points + i * plan.in_channels, step});
  }
  for (std::int64_t point = 0; point < plan.points; ++point) {
    context.products.pack(product_shape(plan, cols.count), worker, points + point * step,
                          scratch.weights_at(plan, col_tile, point), scratch.of_library[worker]);
  }
}

// A tile's place: its first pixel in the result.
struct Place {
  std::int64_t y;
  std::int64_t x;
};
Place place_of(const Plan& plan, std::int64_t tile) {
  return {plan.tile_row + tile / plan.tiles_wide * 2, tile % plan.tiles_wide * 2};
}

// Where the pixels of a tile's input are.
class InputTile {
 public:
  InputTile(const Plan& plan, const ops::Conv2d& op, const std::byte* no_pixel)
      : op_(op),
        side_(static_cast<std::int64_t>(plan.side)),
        no_pixel_(no_pixel),
        pixel_bytes_(static_cast<std::size_t>(plan.in_channels) * dtype_bytes(op.x.dtype)) {}

  std::span<const std::byte* const> at(Place place) {
    const std::int64_t top = source(place.y - op_.pad_top);
    const std::int64_t left = source(place.x - op_.pad_left);
    for (std::int64_t y = 0; y < side_; ++y) {
      for (std::int64_t x = 0; x < side_; ++x) {
        pixels_[static_cast<std::size_t>(y * side_ + x)] = pixel(top + y, left + x);
      }
    }
    return std::span(pixels_).first(static_cast<std::size_t>(side_ * side_));
  }

 private:
  // The pixel that a row or column of the upsampled input comes from. Of doubled ones the first is odd: -1 comes from
  // -1.
  std::int64_t source(std::int64_t position) const { return op_.upsample == 1 ? position : (position - 1) / 2; }

  const std::byte* pixel(std::int64_t y, std::int64_t x) const {
    if (y < 0 || x < 0 || y >= op_.x.dim(0) || x >= op_.x.dim(1)) return no_pixel_;
    return op_.x.data + static_cast<std::size_t>(y * op_.x.dim(1) + x) * pixel_bytes_;
  }

  const ops::Conv2d& op_;
  std::int64_t side_;
  const std::byte* no_pixel_;
  std::size_t pixel_bytes_;
  std::array<const std::byte*, 16> pixels_{};
};

// The pixels of a tile that lie in the result; their channels from cols.begin on.
void store_result(const ops::Conv2d& op, const float* result, Place place, Block cols, const float* bias) {
  const Epilogue epilogue{.bias = op.bias ? bias + cols.begin : nullptr, .accumulate = op.accumulate};
  const std::int64_t out_channels = op.out.dim(2);
  const std::int64_t wide = std::min<std::int64_t>(2, op.out.dim(1) - place.x);
  for (std::int64_t row = 0; row < 2; ++row) {
    const std::int64_t y = place.y + row;
    if (y < 0 || y >= op.out.dim(0)) continue;
    const std::int64_t offset = (y * op.out.dim(1) + place.x) * out_channels + cols.begin;
    store_tile(result + row * 2 * cols.count, cols.count, wide, cols.count, epilogue,
               op.out.data + bytes_of(op.out.dtype, offset), op.out.dtype, out_channels);
  }
}

void run_tiles(const Context& context, const Plan& plan, const ops::Conv2d& op, const Scratch& scratch, Block tiles,
               int worker) {
  float* input = scratch.input[worker];
  InputTile input_tile(plan, op, scratch.no_pixel);
  for (std::int64_t t = 0; t < tiles.count; ++t) {
    winograd_input(plan.side, input_tile.at(place_of(plan, tiles.begin + t)), op.x.dtype, plan.in_channels,
                   {input + t * plan.in_channels, plan.input_step()});
  }
  // Products are always of the full shape; what they make of the rows beyond the last tile is not stored.
  for (std::int64_t point = 0; point < plan.points && tiles.count < plan.tiles; ++point) {
    std::fill_n(input + point * plan.input_step() + tiles.count * plan.in_channels,
                (plan.tiles - tiles.count) * plan.in_channels, 0.0f);
  }

  float* products = scratch.products[worker];
  for (std::int64_t col_tile = 0; col_tile * kConvCols < plan.out_channels; ++col_tile) {
    const Block cols = block_at(col_tile, kConvCols, plan.out_channels);
    const std::int64_t step = plan.products_step(cols.count);
    for (std::int64_t point = 0; point < plan.points; ++point) {
      context.products.run(product_shape(plan, cols.count), worker, input + point * plan.input_step(),
                           scratch.weights_at(plan, col_tile, point), products + point * step,
                           scratch.of_library[worker]);
    }
    for (std::int64_t t = 0; t < tiles.count; ++t) {
      winograd_output(plan.side, {products + t * cols.count, step}, cols.count, scratch.result[worker]);
      store_result(op, scratch.result[worker], place_of(plan, tiles.begin + t), cols, scratch.bias);
    }
  }
}

}  // namespace

bool suits_winograd(const Context& context, const ops::Conv2d& op) {
  const std::int64_t out_channels = op.weight.dim(0);
  const std::int64_t in_channels = op.weight.dim(1);
  return context.compute_dtype(op.x.dtype) == DType::kF32 && op.weight.dim(2) == 3 && op.stride == 1 &&
         in_channels >= kLeastChannels && out_channels >= kLeastChannels && in_channels % kWinogradLanes == 0 &&
         out_channels % kWinogradLanes == 0 && (op.upsample == 1 || doubles_in_tiles(op));
}

std::size_t winograd_conv_scratch_bytes(Context& context, const ops::Conv2d& op) {
  Arena arena = Arena::measuring();
  prepare(context, op, arena);
  return arena.peak_bytes();
}

void run_winograd_conv(Context& context, const ops::Conv2d& op, Arena& arena) {
  const Plan plan = plan_of(op);
  const Scratch scratch = prepare(context, op, arena);
  widen_vector(op.bias, scratch.bias);
  std::memset(scratch.no_pixel, 0, static_cast<std::size_t>(plan.in_channels) * sizeof(float));
  context.parallel(ceil_div(plan.out_channels, kConvCols),
                   [&](std::int64_t tile, int worker) { pack_tile(context, plan, op, scratch, tile, worker); });
  context.parallel(ceil_div(plan.num_tiles, plan.tiles), [&](std::int64_t task, int worker) {
    run_tiles(context, plan, op, scratch, block_at(task, plan.tiles, plan.num_tiles), worker);
  });
}

}  // namespace steadyflux::cpu
