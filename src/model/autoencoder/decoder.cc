#include <algorithm>

#include "base/error.h"
#include "model/autoencoder/autoencoder.h"
#include "model/autoencoder/banded_layers.h"
#include "model/autoencoder/decode_schedule.h"
#include "model/autoencoder/decode_tiles.h"
#include "model/autoencoder/pixel_layers.h"

namespace steadyflux {

namespace {

// Rows of the picture that pass through f32 at a time on their way to 8 bits.
constexpr std::int64_t kRgbRows = 32;

void first_layers(const Executor& executor, const AutoencoderConfig& config, const DecoderInWeights& weights,
                  const Tensor& latents, Canvas& canvas) {
  const Tensor first = canvas.reset(latents.dim(0), latents.dim(1), config.block_channels.back());
  const ArenaScope scope(executor.arena());
  Tensor x = latents;
  if (config.post_quant_conv) {
    x = executor.allocate(latents.dtype, latents.shape);
    conv(executor, latents, weights.post_quant, x);
  }
  conv(executor, x, weights.conv, first);
}

void up_stage(const Executor& executor, const AutoencoderConfig& config, const UpStageSizes& sizes,
              const UpStageWeights& weights, const StageSchedule& schedule, Canvas& canvas) {
  if (sizes.upsamples && schedule.holds_input) {
    upsample_in_bands(executor, weights.upsampler, schedule.band_rows, canvas);
  }
  const ConvWeights* const upsampler = schedule.holds_input ? nullptr : &weights.upsampler;
  bool holds_hidden = schedule.holds_first_hidden;
  for (const ResnetWeights& each : weights.resnets) {
    const bool first = &each == weights.resnets.data();
    if (holds_hidden) {
      resnet(executor, config, each, canvas);
    } else {
      resnet_in_bands(executor, config, each, first ? upsampler : nullptr, schedule.band_rows, canvas);
    }
    holds_hidden = schedule.holds_hidden;
  }
}

void last_layers(const Executor& executor, const AutoencoderConfig& config, const DecoderOutWeights& weights,
                 const Tensor& x, const Tensor& image) {
  group_norm(executor, config, x, weights.norm, ops::Activation::kSilu, x);
  if (image.dtype != DType::kU8) return conv(executor, x, weights.conv, image);
  const ArenaScope scope(executor.arena());
  const std::int64_t height = image.dim(0);
  const Tensor buffer = executor.allocate(DType::kF32, {std::min(kRgbRows, height), image.dim(1), image.dim(2)});
  for (std::int64_t row = 0; row < height; row += kRgbRows) {
    const Rows band = band_at(row, kRgbRows, height);
    const Rows input = with_halo(band, 1, height);
    const Tensor pixels = buffer.rows(0, band.count());
    executor.run(conv_of_rows(x.rows(input.begin, input.count()), weights.conv, band, height, pixels));
    executor.run(ops::ToRgb8{pixels, image.rows(band.begin, band.count())});
  }
}

// One picture, or one tile of it. latents: [height, width, latent_channels].
void decode_pixels(const Executor& executor, WeightSource& weights, const AutoencoderConfig& config,
                   const DecodeMode& mode, const Tensor& latents, const Tensor& image) {
  const std::vector<UpStageSizes> stages = up_stages(config);
  const std::vector<StageSchedule> schedules = schedule_stages(config, latents.dtype, mode, image.dim(0), image.dim(1));
  std::size_t group = 0;
  Canvas canvas(executor, latents.dtype);
  {
    const Lease lease = weights.acquire(group++);
    first_layers(executor, config, bind_weights<DecoderInWeights>(lease, config), latents, canvas);
  }
  {
    const Lease lease = weights.acquire(group++);
    mid_block(executor, config, bind_weights<MidBlockWeights>(lease, config), canvas);
  }
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const Lease lease = weights.acquire(group++);
    up_stage(executor, config, stages[i], bind_weights<UpStageWeights>(lease, stages[i]), schedules[i], canvas);
  }
  const Lease lease = weights.acquire(group++);
  last_layers(executor, config, bind_weights<DecoderOutWeights>(lease, config), canvas.pixels(), image);
}

}  // namespace

std::vector<GroupSpec> decoder_groups(const AutoencoderConfig& config) {
  std::vector<GroupSpec> groups;
  groups.push_back(list_weights<DecoderInWeights>("decoder.conv_in", "", config));
  groups.push_back(list_weights<MidBlockWeights>("decoder.mid_block", "decoder.mid_block.", config));
  for (const UpStageSizes& stage : up_stages(config)) {
    const std::string name = "decoder.up_blocks." + std::to_string(stage.block);
    groups.push_back(list_weights<UpStageWeights>(name, "decoder.", stage));
  }
  groups.push_back(list_weights<DecoderOutWeights>("decoder.conv_out", "", config));
  return groups;
}

void decode_latents(const Executor& executor, WeightSource& weights, const AutoencoderConfig& config, DType activations,
                    const Tensor& packed, const Tensor& image, const DecodeMode& mode) {
  const std::int64_t height = image.dim(0) / config.scale();
  const std::int64_t width = image.dim(1) / config.scale();
  ensure(packed.dim(0) * 4 * config.scale() * config.scale() == image.dim(0) * image.dim(1), packed.dim(0),
         " latent tokens for an image of ", image.shape.to_string());

  const ArenaScope scope(executor.arena());
  const Tensor latents = executor.allocate(activations, {height, width, config.latent_channels});
  executor.run(ops::UnpackLatents{
      .packed = packed, .scale = 1 / config.scaling_factor, .shift = config.shift_factor, .image = latents});
  if (mode.kind != DecodeMode::Kind::kTiled) return decode_pixels(executor, weights, config, mode, latents, image);
  if (!is_tiled(config, mode, image.dim(0), image.dim(1))) {
    return decode_pixels(executor, weights, config, {}, latents, image);
  }
  decode_tiles(executor, config, mode.tile_px, latents, image, [&](const Tensor& tile, const Tensor& pixels) {
    decode_pixels(executor, weights, config, {}, tile, pixels);
  });
}

}  // namespace steadyflux
