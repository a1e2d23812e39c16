#include "model/autoencoder/pixel_layers.h"

#include <cmath>

namespace steadyflux {

namespace {

constexpr float kEps = 1e-6f;

ops::Conv2d same_size(const Tensor& x, const ConvWeights& weights, const Tensor& out) {
  const std::int64_t pad = weights.weight.dim(2) / 2;
  return {.x = x,
          .weight = weights.weight,
          .bias = weights.bias,
          .pad_top = pad,
          .pad_left = pad,
          .pad_bottom = pad,
          .pad_right = pad,
          .out = out};
}

void conv_into_stream(const Executor& executor, const Tensor& x, const ConvWeights& weights, const Tensor& stream) {
  ops::Conv2d op = same_size(x, weights, stream);
  op.accumulate = true;
  executor.run(op);
}

// stream += conv2(silu(norm2(conv1(normed)))).
void resnet_tail(const Executor& executor, const AutoencoderConfig& config, const ResnetWeights& weights,
                 const Tensor& normed, const Tensor& stream) {
  const ArenaScope scope(executor.arena());
  const Tensor hidden = executor.allocate(stream.dtype, stream.shape);
  conv(executor, normed, weights.conv1, hidden);
  group_norm(executor, config, hidden, weights.norm2, ops::Activation::kSilu, hidden);
  conv_into_stream(executor, hidden, weights.conv2, stream);
}

// x + f(x), or shortcut(x) + f(x) when the number of channels changes; f begins with silu(norm1(x)).
void resnet(const Executor& executor, const AutoencoderConfig& config, const ResnetWeights& weights,
            PixelRelay& relay) {
  const Tensor x = relay.current();
  if (weights.shortcut.weight.empty()) {
    const ArenaScope scope(executor.arena());
    const Tensor normed = executor.allocate(x.dtype, x.shape);
    group_norm(executor, config, x, weights.norm1, ops::Activation::kSilu, normed);
    resnet_tail(executor, config, weights, normed, x);
    return;
  }
  const Tensor out = relay.next(x.dim(0), x.dim(1), weights.conv1.weight.dim(0));
  conv(executor, x, weights.shortcut, out);
  group_norm(executor, config, x, weights.norm1, ops::Activation::kSilu, x);
  resnet_tail(executor, config, weights, x, out);
  relay.advance();
}

// Every pixel attends to every other, with one head as wide as the channels.
void pixel_attention(const Executor& executor, const AutoencoderConfig& config, const PixelAttentionWeights& weights,
                     const Tensor& x) {
  const ArenaScope scope(executor.arena());
  const std::int64_t channels = x.dim(2);
  const std::int64_t pixels = x.dim(0) * x.dim(1);
  const Tensor y = executor.allocate(x.dtype, {pixels, channels});
  const Qkv qkv = split_qkv(executor.allocate(x.dtype, {pixels, 3 * channels}));
  group_norm(executor, config, x, weights.norm, ops::Activation::kNone, y.reshaped(x.shape));
  project_qkv(executor, y, weights.qkv, qkv);
  attention(executor, qkv, 1, {.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(channels)))}, y);
  linear_into_stream(executor, y, weights.out, x.reshaped({pixels, channels}));
}

void upsample(const Executor& executor, const ConvWeights& weights, PixelRelay& relay) {
  const Tensor x = relay.current();
  ops::Conv2d op = same_size(x, weights, relay.next(2 * x.dim(0), 2 * x.dim(1), x.dim(2)));
  op.upsample = 2;
  executor.run(op);
  relay.advance();
}

// The reference pads one row below and one column to the right, none above or to the left.
void downsample(const Executor& executor, const ConvWeights& weights, PixelRelay& relay) {
  const Tensor x = relay.current();
  const Tensor out = relay.next(x.dim(0) / 2, x.dim(1) / 2, x.dim(2));
  executor.run(ops::Conv2d{.x = x,
                           .weight = weights.weight,
                           .bias = weights.bias,
                           .stride = 2,
                           .pad_bottom = 1,
                           .pad_right = 1,
                           .out = out});
  relay.advance();
}

}  // namespace

void conv(const Executor& executor, const Tensor& x, const ConvWeights& weights, const Tensor& out) {
  executor.run(same_size(x, weights, out));
}

void group_norm(const Executor& executor, const AutoencoderConfig& config, const Tensor& x, const NormWeights& norm,
                ops::Activation activation, const Tensor& out) {
  const ArenaScope scope(executor.arena());
  const Tensor stats = executor.allocate(DType::kF32, {config.norm_groups, 2});
  executor.run(ops::GroupNormStats{.x = x, .groups = config.norm_groups, .eps = kEps, .stats = stats});
  executor.run(ops::GroupNormApply{
      .x = x, .stats = stats, .weight = norm.weight, .bias = norm.bias, .activation = activation, .out = out});
}

void mid_block(const Executor& executor, const AutoencoderConfig& config, const MidBlockWeights& weights,
               PixelRelay& relay) {
  resnet(executor, config, weights.before, relay);
  if (config.mid_attention) pixel_attention(executor, config, weights.attention, relay.current());
  resnet(executor, config, weights.after, relay);
}

void pixel_block(const Executor& executor, const AutoencoderConfig& config, const PixelBlockWeights& weights,
                 Resample resample, PixelRelay& relay) {
  for (const ResnetWeights& block : weights.resnets) resnet(executor, config, block, relay);
  if (resample == Resample::kUp) upsample(executor, weights.resampler, relay);
  if (resample == Resample::kDown) downsample(executor, weights.resampler, relay);
}

}  // namespace steadyflux
