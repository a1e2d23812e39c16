// Image sizes that can be made, and the latent of each.
#pragma once

#include <cstdint>

namespace steadyflux::sampling {

// The longest side of an image, in pixels.
inline constexpr std::int64_t kMaxImageSide = 16384;

// Pixels of the VAE's input for one of the latent's, in FLUX.1.
inline constexpr int kFluxVaeScale = 8;

// A latent [channels, height, width]; height and width are even. Its packed form has one token for every 2 × 2.
struct LatentSize {
  std::int64_t height = 0;
  std::int64_t width = 0;

  constexpr std::int64_t token_rows() const { return height / 2; }
  constexpr std::int64_t token_columns() const { return width / 2; }
  constexpr std::int64_t num_tokens() const { return token_rows() * token_columns(); }

  friend constexpr bool operator==(LatentSize, LatentSize) = default;
};

// The latent of an image of width × height pixels. Both must be multiples of 2 · vae_scale (16 in FLUX.1) and at most
// kMaxImageSide: the reference shrinks other sizes without a word, here they are an Error(kInvalidArgument) that names
// the nearest sizes that work.
LatentSize latent_size(std::int64_t image_width, std::int64_t image_height, int vae_scale = kFluxVaeScale);

}  // namespace steadyflux::sampling
