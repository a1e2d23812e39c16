#include "model/autoencoder/decode_tiles.h"

#include <algorithm>
#include <vector>

#include "base/checked.h"
#include "base/error.h"

namespace steadyflux {

namespace {

// A rectangle of pixels as a matrix, [rows, columns * channels].
Tensor rectangle(const Tensor& pixels, std::int64_t row, std::int64_t column, std::int64_t rows, std::int64_t columns) {
  const std::int64_t channels = pixels.dim(2);
  const Tensor matrix = pixels.reshaped({pixels.dim(0), pixels.dim(1) * channels});
  return matrix.rows(row, rows).cols(column * channels, columns * channels);
}

void copy(const Executor& executor, const Tensor& from, const Tensor& to) {
  executor.run(ops::Add{.a = from, .out = to});
}

// to = from + weight * (to - from): the interpolation that the operation for guidance computes.
void blend(const Executor& executor, const Tensor& from, float weight, const Tensor& to) {
  executor.run(ops::TrueCfg{.positive = to, .negative = from, .scale = weight, .out = to});
}

class Tiling {
 public:
  Tiling(const Executor& executor, const AutoencoderConfig& config, std::int64_t tile_px, const Tensor& latents,
         const Tensor& image)
      : executor_(executor),
        scale_(config.scale()),
        tile_(tile_px / scale_),
        stride_(tile_ * 3 / 4),
        blend_px_(tile_px / 4),
        latents_(latents),
        image_(image),
        left_(executor.allocate(DType::kF32, {tile_px, blend_px_, image.dim(2)})) {
    for (std::int64_t column = 0; column < latents.dim(1); column += stride_) {
      above_.push_back(executor.allocate(DType::kF32, {blend_px_, tile_px, image.dim(2)}));
    }
  }

  void run(DecodeTile decode_tile) {
    for (std::int64_t row = 0; row < latents_.dim(0); row += stride_) {
      for (std::int64_t column = 0; column < latents_.dim(1); column += stride_) take(row, column, decode_tile);
    }
  }

 private:
  // The tile whose first latent pixel is (row, column).
  void take(std::int64_t row, std::int64_t column, DecodeTile decode_tile) {
    const ArenaScope scope(executor_.arena());
    const std::int64_t rows = std::min(tile_, latents_.dim(0) - row);
    const std::int64_t columns = std::min(tile_, latents_.dim(1) - column);
    const Tensor latents = executor_.allocate(latents_.dtype, {rows, columns, latents_.dim(2)});
    copy(executor_, rectangle(latents_, row, column, rows, columns), rectangle(latents, 0, 0, rows, columns));
    const Tensor pixels = executor_.allocate(DType::kF32, {rows * scale_, columns * scale_, image_.dim(2)});
    decode_tile(latents, pixels);

    const Tensor& above = above_[static_cast<std::size_t>(column / stride_)];
    if (row > 0) blend_with_above(above, pixels);
    if (column > 0) blend_with_left(pixels);
    keep_edges(above, pixels);
    put(pixels, row * scale_, column * scale_);
  }

  void blend_with_above(const Tensor& above, const Tensor& pixels) const {
    const std::int64_t extent = std::min(blend_px_, pixels.dim(0));
    const std::int64_t width = pixels.dim(1);
    for (std::int64_t i = 0; i < extent; ++i) {
      blend(executor_, rectangle(above, blend_px_ - extent + i, 0, 1, width),
            static_cast<float>(i) / static_cast<float>(extent), rectangle(pixels, i, 0, 1, width));
    }
  }

  void blend_with_left(const Tensor& pixels) const {
    const std::int64_t extent = std::min(blend_px_, pixels.dim(1));
    const std::int64_t height = pixels.dim(0);
    for (std::int64_t i = 0; i < extent; ++i) {
      blend(executor_, rectangle(left_, 0, blend_px_ - extent + i, height, 1),
            static_cast<float>(i) / static_cast<float>(extent), rectangle(pixels, 0, i, height, 1));
    }
  }

  // What the tiles below and to the right are blended with. A tile that has such a neighbour is larger than the edge.
  void keep_edges(const Tensor& above, const Tensor& pixels) const {
    const std::int64_t height = pixels.dim(0);
    const std::int64_t width = pixels.dim(1);
    if (height > blend_px_) {
      copy(executor_, rectangle(pixels, height - blend_px_, 0, blend_px_, width),
           rectangle(above, 0, 0, blend_px_, width));
    }
    if (width > blend_px_) {
      copy(executor_, rectangle(pixels, 0, width - blend_px_, height, blend_px_),
           rectangle(left_, 0, 0, height, blend_px_));
    }
  }

  // The part that no later tile covers.
  void put(const Tensor& pixels, std::int64_t row, std::int64_t column) const {
    const std::int64_t rows = std::min(stride_ * scale_, pixels.dim(0));
    const std::int64_t columns = std::min(stride_ * scale_, pixels.dim(1));
    Tensor from = rectangle(pixels, 0, 0, rows, columns);
    Tensor to = rectangle(image_, row, column, rows, columns);
    if (image_.dtype != DType::kU8) return copy(executor_, from, to);
    executor_.run(ops::ToRgb8{from.split_heads(columns), to.split_heads(columns)});
  }

  const Executor& executor_;
  std::int64_t scale_;   // pixels a side of a latent pixel
  std::int64_t tile_;    // latent pixels a side
  std::int64_t stride_;  // latent pixels from one tile to the next
  std::int64_t blend_px_;
  Tensor latents_;
  Tensor image_;
  std::vector<Tensor> above_;  // the last rows of each tile of the row above
  Tensor left_;                // the last columns of the tile to the left
};

void check_tile(const AutoencoderConfig& config, std::int64_t tile_px) {
  const std::int64_t unit = 4 * config.scale();
  if (tile_px < unit || tile_px % unit != 0) {
    fail(ErrorCode::kInvalidArgument, "a tile of ", tile_px, " pixels: its side must be a multiple of ", unit);
  }
}

}  // namespace

bool is_tiled(const AutoencoderConfig& config, const DecodeMode& mode, std::int64_t height, std::int64_t width) {
  if (mode.kind != DecodeMode::Kind::kTiled) return false;
  check_tile(config, mode.tile_px);
  return height > mode.tile_px || width > mode.tile_px;
}

std::int64_t decode_passes(const AutoencoderConfig& config, const DecodeMode& mode, std::int64_t height,
                           std::int64_t width) {
  if (!is_tiled(config, mode, height, width)) return 1;
  const std::int64_t stride_px = mode.tile_px * 3 / 4;
  return ceil_div(height, stride_px) * ceil_div(width, stride_px);
}

void decode_tiles(const Executor& executor, const AutoencoderConfig& config, std::int64_t tile_px,
                  const Tensor& latents, const Tensor& image, DecodeTile decode_tile) {
  const ArenaScope scope(executor.arena());
  Tiling(executor, config, tile_px, latents, image).run(decode_tile);
}

}  // namespace steadyflux
