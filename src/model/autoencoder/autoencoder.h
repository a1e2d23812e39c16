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

// image = decoder(packed / scaling_factor + shift_factor), pixels nominally in [-1, 1]. The whole picture at once.
// `activations` (f32 or bf16) is the dtype between operations.
void decode_latents(const Executor& executor, WeightSource& weights, const AutoencoderConfig& config, DType activations,
                    const Tensor& packed,  // [height * width / (2 scale())^2, 4 * latent_channels]
                    const Tensor& image);  // out: [height, width, image_channels], sides multiples of 2 scale()

// packed = (mean of encoder(image) - shift_factor) * scaling_factor.
void encode_image(const Executor& executor, WeightSource& weights, const AutoencoderConfig& config, DType activations,
                  const Tensor& image,    // [height, width, image_channels] in [-1, 1], sides multiples of 2 scale()
                  const Tensor& packed);  // out: [height * width / (2 scale())^2, 4 * latent_channels]

}  // namespace steadyflux
