#include <string>

#include "base/error.h"
#include "model/autoencoder/autoencoder.h"
#include "model/autoencoder/pixel_layers.h"

namespace steadyflux {

namespace {

// From the latents' resolution to the picture's; every block but the last doubles it.
PixelBlockSizes up_block_sizes(const AutoencoderConfig& config, std::size_t block) {
  const std::size_t last = config.block_channels.size() - 1;
  const std::size_t level = last - block;
  return {.in_channels = config.block_channels[block == 0 ? last : level + 1],
          .out_channels = config.block_channels[level],
          .num_resnets = config.layers_per_block + 1,
          .resample = block == last ? Resample::kNone : Resample::kUp};
}

}  // namespace

std::vector<GroupSpec> decoder_groups(const AutoencoderConfig& config) {
  std::vector<GroupSpec> groups;
  groups.push_back(list_weights<DecoderInWeights>("decoder.conv_in", "", config));
  groups.push_back(list_weights<MidBlockWeights>("decoder.mid_block", "decoder.mid_block.", config));
  for (std::size_t i = 0; i < config.block_channels.size(); ++i) {
    const std::string name = "decoder.up_blocks." + std::to_string(i);
    groups.push_back(list_weights<PixelBlockWeights>(name, name + ".", up_block_sizes(config, i)));
  }
  groups.push_back(list_weights<DecoderOutWeights>("decoder.conv_out", "", config));
  return groups;
}

void decode_latents(const Executor& executor, WeightSource& weights, const AutoencoderConfig& config, DType activations,
                    const Tensor& packed, const Tensor& image) {
  const std::int64_t height = image.dim(0) / config.scale();
  const std::int64_t width = image.dim(1) / config.scale();
  ensure(packed.dim(0) * 4 * config.scale() * config.scale() == image.dim(0) * image.dim(1), packed.dim(0),
         " latent tokens for an image of ", image.shape.to_string());

  const ArenaScope scope(executor.arena());
  Tensor latents = executor.allocate(activations, {height, width, config.latent_channels});
  executor.run(ops::UnpackLatents{
      .packed = packed, .scale = 1 / config.scaling_factor, .shift = config.shift_factor, .image = latents});

  std::size_t group = 0;
  PixelRelay relay(executor, activations);
  {
    const Lease lease = weights.acquire(group++);
    const auto in = bind_weights<DecoderInWeights>(lease, config);
    const Tensor first = relay.next(height, width, config.block_channels.back());
    const ArenaScope in_scope(executor.arena());
    if (config.post_quant_conv) {
      const Tensor unquantised = latents;
      latents = executor.allocate(activations, latents.shape);
      conv(executor, unquantised, in.post_quant, latents);
    }
    conv(executor, latents, in.conv, first);
    relay.advance();
  }
  {
    const Lease lease = weights.acquire(group++);
    mid_block(executor, config, bind_weights<MidBlockWeights>(lease, config), relay);
  }
  for (std::size_t i = 0; i < config.block_channels.size(); ++i) {
    const Lease lease = weights.acquire(group++);
    const PixelBlockSizes sizes = up_block_sizes(config, i);
    pixel_block(executor, config, bind_weights<PixelBlockWeights>(lease, sizes), sizes.resample, relay);
  }
  const Lease lease = weights.acquire(group++);
  const auto out = bind_weights<DecoderOutWeights>(lease, config);
  const Tensor x = relay.current();
  group_norm(executor, config, x, out.norm, ops::Activation::kSilu, x);
  conv(executor, x, out.conv, image);
}

}  // namespace steadyflux
