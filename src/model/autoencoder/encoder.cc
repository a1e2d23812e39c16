#include <string>

#include "base/error.h"
#include "model/autoencoder/autoencoder.h"
#include "model/autoencoder/pixel_layers.h"

namespace steadyflux {

namespace {

// From the picture's resolution to the latents'; every block but the last halves it.
DownBlockSizes down_block_sizes(const AutoencoderConfig& config, std::size_t block) {
  const bool last = block + 1 == config.block_channels.size();
  return {.in_channels = config.block_channels[block == 0 ? 0 : block - 1],
          .out_channels = config.block_channels[block],
          .num_resnets = config.layers_per_block,
          .downsamples = !last};
}

// The part of a convolution that computes the first `count` output channels.
ConvWeights first_channels(const ConvWeights& weights, std::int64_t count) {
  return {weights.weight.rows(0, count), weights.bias.rows(0, count)};
}

// The means of the latents: the first half of what the encoder can compute, its variances being of no use.
Tensor latent_means(const Executor& executor, const AutoencoderConfig& config, const EncoderOutWeights& weights,
                    const Tensor& x) {
  const Tensor means = executor.allocate(x.dtype, {x.dim(0), x.dim(1), config.latent_channels});
  if (!config.quant_conv) {
    conv(executor, x, first_channels(weights.conv, config.latent_channels), means);
    return means;
  }
  const Tensor moments = executor.allocate(x.dtype, {x.dim(0), x.dim(1), 2 * config.latent_channels});
  conv(executor, x, weights.conv, moments);
  conv(executor, moments, first_channels(weights.quant, config.latent_channels), means);
  return means;
}

}  // namespace

std::vector<GroupSpec> encoder_groups(const AutoencoderConfig& config) {
  std::vector<GroupSpec> groups;
  groups.push_back(list_weights<EncoderInWeights>("encoder.conv_in", "", config));
  for (std::size_t i = 0; i < config.block_channels.size(); ++i) {
    const std::string name = "encoder.down_blocks." + std::to_string(i);
    groups.push_back(list_weights<DownBlockWeights>(name, name + ".", down_block_sizes(config, i)));
  }
  groups.push_back(list_weights<MidBlockWeights>("encoder.mid_block", "encoder.mid_block.", config));
  groups.push_back(list_weights<EncoderOutWeights>("encoder.conv_out", "", config));
  return groups;
}

void encode_image(const Executor& executor, WeightSource& weights, const AutoencoderConfig& config, DType activations,
                  const Tensor& image, const Tensor& packed) {
  const std::int64_t height = image.dim(0);
  const std::int64_t width = image.dim(1);
  ensure(packed.dim(0) * 4 * config.scale() * config.scale() == height * width, packed.dim(0),
         " latent tokens for an image of ", image.shape.to_string());

  const ArenaScope scope(executor.arena());
  std::size_t group = 0;
  Canvas canvas(executor, activations);
  {
    const Lease lease = weights.acquire(group++);
    const Tensor first = canvas.reset(height, width, config.block_channels.front());
    const ArenaScope in_scope(executor.arena());
    const Tensor pixels =
        as_dtype(executor, image.reshaped({height * width, config.image_channels}), activations).reshaped(image.shape);
    conv(executor, pixels, bind_weights<EncoderInWeights>(lease, config).conv, first);
  }
  for (std::size_t i = 0; i < config.block_channels.size(); ++i) {
    const Lease lease = weights.acquire(group++);
    const DownBlockSizes sizes = down_block_sizes(config, i);
    const auto block = bind_weights<DownBlockWeights>(lease, sizes);
    for (const ResnetWeights& each : block.resnets) resnet(executor, config, each, canvas);
    if (sizes.downsamples) downsample(executor, block.downsampler, canvas);
  }
  {
    const Lease lease = weights.acquire(group++);
    mid_block(executor, config, bind_weights<MidBlockWeights>(lease, config), canvas);
  }
  const Lease lease = weights.acquire(group++);
  const auto out = bind_weights<EncoderOutWeights>(lease, config);
  const Tensor x = canvas.pixels();
  group_norm(executor, config, x, out.norm, ops::Activation::kSilu, x);
  executor.run(ops::PackLatents{.image = latent_means(executor, config, out, x),
                                .scale = config.scaling_factor,
                                .shift = -config.shift_factor,
                                .packed = packed});
}

}  // namespace steadyflux
