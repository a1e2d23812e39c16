#include "model/autoencoder/pixel_layers.h"

#include <algorithm>
#include <cmath>

namespace steadyflux {

namespace {

constexpr float kEps = 1e-6f;

// Rows of pixels that are normed, or narrowed, at a time. Bands of this height cost nothing measurable and are a small
// part of the memory of a large picture.
constexpr std::int64_t kBandRows = 32;

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

Tensor group_norm_stats(const Executor& executor, const AutoencoderConfig& config, const Tensor& x) {
  const Tensor stats = executor.allocate(DType::kF32, {config.norm_groups, 2});
  executor.run(ops::GroupNormStats{.x = x, .groups = config.norm_groups, .eps = kEps, .stats = stats});
  return stats;
}

void apply_group_norm(const Executor& executor, const Tensor& x, const Tensor& stats, const NormWeights& norm,
                      ops::Activation activation, const Tensor& out) {
  executor.run(ops::GroupNormApply{
      .x = x, .stats = stats, .weight = norm.weight, .bias = norm.bias, .activation = activation, .out = out});
}

// The 1 x 1 convolution of x in x's own memory: a band is read whole before its narrower rows go where rows that are
// done with have been. Returns the view.
Tensor narrow_in_place(const Executor& executor, const Tensor& x, const ConvWeights& weights) {
  const std::int64_t height = x.dim(0);
  const std::int64_t width = x.dim(1);
  const std::int64_t channels = weights.weight.dim(0);
  const Tensor narrow(x.data, x.dtype, {height, width, channels});
  const ArenaScope scope(executor.arena());
  const Tensor band = executor.allocate(x.dtype, {std::min(kBandRows, height), width, channels});
  for (std::int64_t row = 0; row < height; row += kBandRows) {
    const std::int64_t count = std::min(kBandRows, height - row);
    const Tensor narrowed = band.rows(0, count);
    conv(executor, x.rows(row, count), weights, narrowed);
    const Shape rows{count * width, channels};
    executor.run(ops::Add{.a = narrowed.reshaped(rows), .out = narrow.rows(row, count).reshaped(rows)});
  }
  return narrow;
}

// x + f(x), or shortcut(x) + f(x) when the number of channels changes, with f(x) =
// conv2(silu(norm2(conv1(silu(norm1(x)))))). Besides x and the sum, one layer of f is held.
void resnet(const Executor& executor, const AutoencoderConfig& config, const ResnetWeights& weights,
            PixelRelay& relay) {
  const Tensor x = relay.current();
  const std::int64_t channels = weights.conv1.weight.dim(0);
  const bool widens = channels > x.dim(2);
  Tensor sum = x;
  if (widens) {
    sum = relay.next(x.dim(0), x.dim(1), channels);
    conv(executor, x, weights.shortcut, sum);
  }
  {
    const ArenaScope scope(executor.arena());
    const Tensor hidden = executor.allocate(x.dtype, {x.dim(0), x.dim(1), channels});
    norm_silu_conv(executor, config, x, weights.norm1, weights.conv1, hidden);
    group_norm(executor, config, hidden, weights.norm2, ops::Activation::kSilu, hidden);
    if (channels < x.dim(2)) sum = narrow_in_place(executor, x, weights.shortcut);
    ops::Conv2d conv2 = same_size(hidden, weights.conv2, sum);
    conv2.accumulate = true;
    executor.run(conv2);
  }
  if (widens) {
    relay.advance();
  } else {
    relay.reshape(sum);
  }
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
  apply_group_norm(executor, x, group_norm_stats(executor, config, x), norm, activation, out);
}

void norm_silu_conv(const Executor& executor, const AutoencoderConfig& config, const Tensor& x, const NormWeights& norm,
                    const ConvWeights& weights, const Tensor& out) {
  const ArenaScope scope(executor.arena());
  const std::int64_t height = x.dim(0);
  const std::int64_t halo = weights.weight.dim(2) / 2;
  const Tensor stats = group_norm_stats(executor, config, x);
  const Tensor band = executor.allocate(x.dtype, {std::min(kBandRows + 2 * halo, height), x.dim(1), x.dim(2)});
  for (std::int64_t row = 0; row < height; row += kBandRows) {
    const std::int64_t end = std::min(row + kBandRows, height);
    const std::int64_t first = std::max<std::int64_t>(row - halo, 0);
    const std::int64_t last = std::min(end + halo, height);
    const Tensor normed = band.rows(0, last - first);
    apply_group_norm(executor, x.rows(first, last - first), stats, norm, ops::Activation::kSilu, normed);
    ops::Conv2d op = same_size(normed, weights, out.rows(row, end - row));
    op.pad_top = halo - (row - first);
    op.pad_bottom = halo - (last - end);
    executor.run(op);
  }
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
