// Pictures decoded in square tiles that overlap by a quarter and are blended there.
#pragma once

#include "backend/executor.h"
#include "base/function_ref.h"
#include "model/autoencoder/autoencoder.h"

namespace steadyflux {

// Whether a picture of height x width pixels comes in tiles: never when both sides fit one. Throws
// Error(kInvalidArgument) for a size of tile that is not allowed.
bool is_tiled(const AutoencoderConfig& config, const DecodeMode& mode, std::int64_t height, std::int64_t width);

// Decodes latents [height, width, latent_channels] to pixels [height * scale, width * scale, image_channels], f32.
using DecodeTile = FunctionRef<void(const Tensor& latents, const Tensor& pixels)>;

// image: [height, width, image_channels], f32, bf16 or u8. Tiles go from left to right, then from top to bottom; each
// is blended with the one above, then with the one to its left, both as they were blended themselves (the order of
// AutoencoderKL.tiled_decode).
void decode_tiles(const Executor& executor, const AutoencoderConfig& config, std::int64_t tile_px,
                  const Tensor& latents, const Tensor& image, DecodeTile decode_tile);

}  // namespace steadyflux
