// The autoencoder (AutoencoderKL): packed latents to pixels and back.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/executor.h"
#include "memory/lease.h"

namespace steadyflux {

// Defaults are those of FLUX.1.
struct AutoencoderConfig {
  std::int64_t image_channels = 3;
  std::int64_t latent_channels = 16;
  std::vector<std::int64_t> block_channels = {128, 256, 512, 512};  // from full resolution to the latents'
  std::int64_t layers_per_block = 2;
  std::int64_t norm_groups = 32;
  bool mid_attention = true;
  bool quant_conv = false;
  bool post_quant_conv = false;
  float scaling_factor = 0.3611f;
  float shift_factor = 0.1159f;

  // Pixels a side of one latent pixel; a packed latent token covers twice that.
  std::int64_t scale() const { return std::int64_t{1} << (block_channels.size() - 1); }
};

// Throws Error(kInvalidFile) naming what does not fit together.
void check(const AutoencoderConfig& config);

// Groups of decode_latents() and encode_image(), with the names of the diffusers checkpoint.
std::vector<GroupSpec> decoder_groups(const AutoencoderConfig& config);
std::vector<GroupSpec> encoder_groups(const AutoencoderConfig& config);

// How a decoder goes about a picture. Whole and banded give the same bits.
struct DecodeMode {
  enum class Kind {
    kWhole,   // every layer whole: the fastest
    kBanded,  // high resolutions in bands of rows; what is not held is computed again
    kTiled,   // square tiles, each decoded by itself, blended where they overlap: not the same picture
  };
  Kind kind = Kind::kWhole;
  // Banded: the most bytes of layers that are held whole at once, or the least possible if that is more.
  std::size_t layers_bytes = 0;
  // Banded: about how many rows of the picture are computed at a time; 0 for default_band_rows().
  std::int64_t band_rows = 0;
  // Tiled: pixels a side of a tile, a multiple of 4 AutoencoderConfig::scale().
  std::int64_t tile_px = 0;

  friend bool operator==(const DecodeMode&, const DecodeMode&) = default;
};

// For a picture `width` pixels wide.
std::int64_t default_band_rows(std::int64_t width);

// The modes worth trying for a picture of height x width pixels, from the fastest (whole) to the smallest. None tiled.
std::vector<DecodeMode> decode_modes(const AutoencoderConfig& config, DType activations, std::int64_t height,
                                     std::int64_t width);

// How often decode_latents() goes through the groups: once for every tile.
std::int64_t decode_passes(const AutoencoderConfig& config, const DecodeMode& mode, std::int64_t height,
                           std::int64_t width);

// image = decoder(packed / scaling_factor + shift_factor), pixels nominally in [-1, 1]; or, where image is u8, what
// ops::ToRgb8 makes of these pixels in f32. `activations` (f32 or bf16) is the dtype between operations.
// A tiled picture is that of the reference's tiling (AutoencoderKL.tiled_decode with an overlap of a quarter): where
// both sides of the picture fit a tile, it is decoded whole. Throws Error(kInvalidArgument) for a size of tile that is
// not allowed.
void decode_latents(const Executor& executor, WeightSource& weights, const AutoencoderConfig& config, DType activations,
                    const Tensor& packed,  // [height * width / (2 scale())^2, 4 * latent_channels]
                    const Tensor& image,   // out: [height, width, image_channels], sides multiples of 2 scale()
                    const DecodeMode& mode = {});

// packed = (mean of encoder(image) - shift_factor) * scaling_factor.
void encode_image(const Executor& executor, WeightSource& weights, const AutoencoderConfig& config, DType activations,
                  const Tensor& image,    // [height, width, image_channels] in [-1, 1], sides multiples of 2 scale()
                  const Tensor& packed);  // out: [height * width / (2 scale())^2, 4 * latent_channels]

}  // namespace steadyflux
