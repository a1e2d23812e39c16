#include "backend/cpu/patch_conv.h"

#include <cstring>

#include "backend/cpu/conv_filters.h"
#include "backend/cpu/convert.h"
#include "backend/cpu/epilogue.h"

namespace steadyflux::cpu {
namespace {

// Patches are gathered for as many pixels as keep them in a core's L2. The copy costs about 1/100 of the products.
constexpr std::int64_t kPatchBytes = 1 << 20;
constexpr std::int64_t kLeastPixels = 64;
constexpr std::int64_t kMostPixels = 256;

struct Plan {
  DType compute = DType::kF32;
  std::int64_t kernel = 0;
  std::int64_t in_channels = 0;
  std::int64_t out_channels = 0;
  std::int64_t depth = 0;   // of a patch: kernel * kernel * in_channels
  std::int64_t pixels = 0;  // gathered at a time
  std::int64_t num_pixels = 0;
};

Plan plan_of(const Context& context, const ops::Conv2d& op) {
  Plan plan;
  plan.compute = context.compute_dtype(op.x.dtype);
  plan.out_channels = op.weight.dim(0);
  plan.in_channels = op.weight.dim(1);
  plan.kernel = op.weight.dim(2);
  plan.depth = plan.kernel * plan.kernel * plan.in_channels;
  const auto patch_bytes = plan.depth * static_cast<std::int64_t>(dtype_bytes(plan.compute));
  plan.pixels = kMostPixels;
  while (plan.pixels > kLeastPixels && plan.pixels * patch_bytes > kPatchBytes) plan.pixels /= 2;
  plan.num_pixels = op.out.dim(0) * op.out.dim(1);
  return plan;
}

MatmulShape product_shape(const Plan& plan, std::int64_t cols) {
  return {.m = plan.pixels,
          .n = cols,
          .k = plan.depth,
          .dtype = plan.compute,
          .layout = WeightLayout::kPacked,
          .accumulate = false};
}

struct Scratch {
  std::byte* weights;  // of all column tiles, packed
  float* bias;
  PerWorker<std::byte> patches;
  PerWorker<float> sums;
  PerWorker<std::byte> of_library;
  std::int64_t tile_bytes;  // from the packed weights of one column tile to the next
};

// Prepares the products and lays the scratch out.
Scratch prepare(Context& context, const ops::Conv2d& op, Arena& arena) {
  const Plan plan = plan_of(context, op);
  const ConvProducts products =
      prepare_conv_products(context, plan.out_channels, [&](std::int64_t cols) { return product_shape(plan, cols); });
  const auto element_bytes = static_cast<std::int64_t>(dtype_bytes(plan.compute));
  const std::int64_t cols = std::min(plan.out_channels, kConvCols);
  const std::int64_t filters_bytes = cols * plan.depth * element_bytes;
  return {allocate_shared<std::byte>(arena, products.num_tiles * products.packed_bytes),
          allocate_shared<float>(arena, plan.out_channels),
          {context, arena, std::max(plan.pixels * plan.depth * element_bytes, filters_bytes)},
          {context, arena, std::max(plan.pixels * cols, taps_buffer_floats(op.weight))},
          {context, arena, products.bytes_of_library},
          products.packed_bytes};
}

// Packs the weights of one column tile. The worker's blocks for patches and sums serve as buffers.
void pack_tile(const Context& context, const Plan& plan, const ops::Conv2d& op, const Scratch& scratch,
               std::int64_t tile, int worker) {
  const Block cols = block_at(tile, kConvCols, plan.out_channels);
  const std::size_t filter_bytes = static_cast<std::size_t>(plan.depth) * dtype_bytes(plan.compute);
  std::byte* filters = scratch.patches[worker];
  for (std::int64_t i = 0; i < cols.count; ++i) {
    const float* taps = taps_of(op.weight, cols.begin + i, scratch.sums[worker]);
    convert(reinterpret_cast<const std::byte*>(taps), DType::kF32, filters + static_cast<std::size_t>(i) * filter_bytes,
            plan.compute, static_cast<std::size_t>(plan.depth));
  }
  context.products.pack(product_shape(plan, cols.count), worker, filters, scratch.weights + tile * scratch.tile_bytes,
                        scratch.of_library[worker]);
}

// Gathers the patch of one output pixel.
class PatchGatherer {
 public:
  PatchGatherer(const Plan& plan, const ops::Conv2d& op)
      : plan_(plan), op_(op), row_bytes_(static_cast<std::size_t>(plan.in_channels) * dtype_bytes(plan.compute)) {}

  void gather(std::int64_t pixel, std::byte* patch) const {
    const std::int64_t out_width = op_.out.dim(1);
    const std::int64_t top = pixel / out_width * op_.stride - op_.pad_top;
    const std::int64_t left = pixel % out_width * op_.stride - op_.pad_left;
    for (std::int64_t ky = 0; ky < plan_.kernel; ++ky) {
      gather_row(top + ky, left, patch);
      patch += row_bytes_ * static_cast<std::size_t>(plan_.kernel);
    }
  }

 private:
  // Taps [left, left + kernel) of row y, both in upsampled coordinates.
  void gather_row(std::int64_t y, std::int64_t left, std::byte* to) const {
    const std::int64_t width = op_.upsample * op_.x.dim(1);
    if (y < 0 || y >= op_.upsample * op_.x.dim(0)) {
      std::memset(to, 0, row_bytes_ * static_cast<std::size_t>(plan_.kernel));
      return;
    }
    if (op_.upsample == 1 && left >= 0 && left + plan_.kernel <= width) {
      copy(y, left, plan_.kernel, to);
      return;
    }
    for (std::int64_t x = left; x < left + plan_.kernel; ++x, to += row_bytes_) {
      if (x < 0 || x >= width) {
        std::memset(to, 0, row_bytes_);
      } else {
        copy(y / op_.upsample, x / op_.upsample, 1, to);
      }
    }
  }

  // `count` neighbouring pixels of the input.
  void copy(std::int64_t y, std::int64_t x, std::int64_t count, std::byte* to) const {
    const auto offset = static_cast<std::size_t>((y * op_.x.dim(1) + x) * plan_.in_channels);
    convert(op_.x.data + offset * dtype_bytes(op_.x.dtype), op_.x.dtype, to, plan_.compute,
            static_cast<std::size_t>(count * plan_.in_channels));
  }

  const Plan& plan_;
  const ops::Conv2d& op_;
  std::size_t row_bytes_;  // of one tap
};

void run_pixels(const Context& context, const Plan& plan, const ops::Conv2d& op, const Scratch& scratch, Block pixels,
                int worker) {
  const std::size_t patch_bytes = static_cast<std::size_t>(plan.depth) * dtype_bytes(plan.compute);
  const PatchGatherer gatherer(plan, op);
  std::byte* patches = scratch.patches[worker];
  for (std::int64_t p = 0; p < pixels.count; ++p) {
    gatherer.gather(pixels.begin + p, patches + static_cast<std::size_t>(p) * patch_bytes);
  }
  // The product is always of the full shape; what it makes of the rows beyond the last pixel is not stored.
  std::memset(patches + static_cast<std::size_t>(pixels.count) * patch_bytes, 0,
              static_cast<std::size_t>(plan.pixels - pixels.count) * patch_bytes);

  float* sums = scratch.sums[worker];
  for (std::int64_t tile = 0; tile * kConvCols < plan.out_channels; ++tile) {
    const Block cols = block_at(tile, kConvCols, plan.out_channels);
    context.products.run(product_shape(plan, cols.count), worker, patches, scratch.weights + tile * scratch.tile_bytes,
                         sums, scratch.of_library[worker]);
    const Epilogue epilogue{.bias = op.bias ? scratch.bias + cols.begin : nullptr, .accumulate = op.accumulate};
    const auto offset = static_cast<std::size_t>(pixels.begin * plan.out_channels + cols.begin);
    store_tile(sums, cols.count, pixels.count, cols.count, epilogue, op.out.data + offset * dtype_bytes(op.out.dtype),
               op.out.dtype, plan.out_channels);
  }
}

}  // namespace

std::size_t patch_conv_scratch_bytes(Context& context, const ops::Conv2d& op) {
  Arena arena = Arena::measuring();
  prepare(context, op, arena);
  return arena.peak_bytes();
}

void run_patch_conv(Context& context, const ops::Conv2d& op, Arena& arena) {
  const Plan plan = plan_of(context, op);
  const Scratch scratch = prepare(context, op, arena);
  widen_vector(op.bias, scratch.bias);
  context.parallel(ceil_div(plan.out_channels, kConvCols),
                   [&](std::int64_t tile, int worker) { pack_tile(context, plan, op, scratch, tile, worker); });
  context.parallel(ceil_div(plan.num_pixels, plan.pixels), [&](std::int64_t task, int worker) {
    run_pixels(context, plan, op, scratch, block_at(task, plan.pixels, plan.num_pixels), worker);
  });
}

}  // namespace steadyflux::cpu
