// Filters on their way into matrix products, in tiles of output channels.
#pragma once

#include "backend/cpu/context.h"
#include "ops/ops.h"

namespace steadyflux::cpu {

// The output channels that a product makes at a time.
inline constexpr std::int64_t kConvCols = 128;

// What the products of all tiles need, and their packed weights.
struct ConvProducts {
  std::int64_t num_tiles = 0;
  std::int64_t bytes_of_library = 0;  // of scratch, for each worker
  std::int64_t packed_bytes = 0;      // of one product's weights, aligned for the arena
};

// Prepares the products; shape_of(cols) is that of a tile with so many output channels.
template <typename ShapeOf>
ConvProducts prepare_conv_products(Context& context, std::int64_t out_channels, const ShapeOf& shape_of) {
  ConvProducts result = {.num_tiles = ceil_div(out_channels, kConvCols)};
  for (const std::int64_t tile : {std::int64_t{0}, result.num_tiles - 1}) {
    const MatmulShape shape = shape_of(block_at(tile, kConvCols, out_channels).count);
    const auto library = static_cast<std::int64_t>(context.products.prepare(shape));
    const std::size_t packed = align_up(context.products.packed_bytes(shape), Arena::kAlignment);
    result.bytes_of_library = std::max(result.bytes_of_library, library);
    result.packed_bytes = std::max(result.packed_bytes, static_cast<std::int64_t>(packed));
  }
  return result;
}

// Floats that taps_of() needs in its buffer.
inline std::int64_t taps_buffer_floats(const Tensor& weight) {
  return 2 * weight.dim(1) * weight.dim(2) * weight.dim(3);
}

// One output channel's weights from [in_channels, kernel * kernel], as they are stored, to
// [kernel * kernel, in_channels], where the channels of a pixel lie together. The result is in `buffer`.
const float* taps_of(const Tensor& weight, std::int64_t channel, float* buffer);

}  // namespace steadyflux::cpu
