#include "model/autoencoder/pixel_layers.h"

#include <algorithm>
#include <cmath>

namespace steadyflux {

namespace {

constexpr float kEps = 1e-6f;

// Rows of pixels that are normed, or change their number of channels, at a time. Bands of this height cost nothing
// measurable and are a small part of the memory of a large picture.
constexpr std::int64_t kBandRows = 32;

// The 1 x 1 convolution of the canvas's pixels: a band is read whole before its rows go where rows that are done with
// have been. Returns where the result is; the pixels are gone.
Tensor shortcut_in_place(const Executor& executor, const ConvWeights& weights, Canvas& canvas) {
  const Tensor x = canvas.pixels();
  const Tensor out = canvas.result(x.dim(0), x.dim(1), weights.weight.dim(0));
  const ArenaScope scope(executor.arena());
  const Tensor buffer = executor.allocate(x.dtype, {std::min(kBandRows, x.dim(0)), x.dim(1), out.dim(2)});
  for (std::int64_t row = 0; row < x.dim(0); row += kBandRows) {
    const Rows band = band_at(row, kBandRows, x.dim(0));
    const Tensor converted = buffer.rows(0, band.count());
    conv(executor, x.rows(band.begin, band.count()), weights, converted);
    copy_pixels(executor, converted, out.rows(band.begin, band.count()));
  }
  return out;
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

}  // namespace

ops::Conv2d conv_of_rows(const Tensor& x, const ConvWeights& weights, Rows rows, std::int64_t height,
                         const Tensor& out) {
  const std::int64_t halo = weights.weight.dim(2) / 2;
  const Rows input = with_halo(rows, halo, height);
  return {.x = x,
          .weight = weights.weight,
          .bias = weights.bias,
          .pad_top = halo - (rows.begin - input.begin),
          .pad_left = halo,
          .pad_bottom = halo - (input.end - rows.end),
          .pad_right = halo,
          .first_row = rows.begin,
          .out = out};
}

void conv(const Executor& executor, const Tensor& x, const ConvWeights& weights, const Tensor& out) {
  executor.run(conv_of_rows(x, weights, {0, x.dim(0)}, x.dim(0), out));
}

Tensor group_norm_stats(const Executor& executor, const Tensor& moments) {
  const Tensor stats = executor.allocate(DType::kF32, {moments.dim(1), 2});
  executor.run(ops::GroupNormStats{.moments = moments, .eps = kEps, .stats = stats});
  return stats;
}

Tensor group_norm_stats(const Executor& executor, const AutoencoderConfig& config, const Tensor& x) {
  const Tensor moments = executor.allocate(DType::kF32, {x.dim(0), config.norm_groups, 2});
  executor.run(ops::GroupNormRows{.x = x, .groups = config.norm_groups, .moments = moments});
  return group_norm_stats(executor, moments);
}

void apply_group_norm(const Executor& executor, const Tensor& x, const Tensor& stats, const NormWeights& norm,
                      ops::Activation activation, const Tensor& out) {
  executor.run(ops::GroupNormApply{
      .x = x, .stats = stats, .weight = norm.weight, .bias = norm.bias, .activation = activation, .out = out});
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
  const Tensor buffer = executor.allocate(x.dtype, {std::min(kBandRows + 2 * halo, height), x.dim(1), x.dim(2)});
  for (std::int64_t row = 0; row < height; row += kBandRows) {
    const Rows band = band_at(row, kBandRows, height);
    const Rows input = with_halo(band, halo, height);
    const Tensor normed = buffer.rows(0, input.count());
    apply_group_norm(executor, x.rows(input.begin, input.count()), stats, norm, ops::Activation::kSilu, normed);
    executor.run(conv_of_rows(normed, weights, band, height, out.rows(band.begin, band.count())));
  }
}

// x + f(x), or shortcut(x) + f(x) when the number of channels changes, with f(x) =
// conv2(silu(norm2(conv1(silu(norm1(x)))))). Besides x and the sum, one layer of f is held.
void resnet(const Executor& executor, const AutoencoderConfig& config, const ResnetWeights& weights, Canvas& canvas) {
  const Tensor x = canvas.pixels();
  const std::int64_t channels = weights.conv1.weight.dim(0);
  const bool has_shortcut = channels != x.dim(2);
  Tensor sum = x;
  {
    const ArenaScope scope(executor.arena());
    const Tensor hidden = executor.allocate(x.dtype, {x.dim(0), x.dim(1), channels});
    norm_silu_conv(executor, config, x, weights.norm1, weights.conv1, hidden);
    group_norm(executor, config, hidden, weights.norm2, ops::Activation::kSilu, hidden);
    if (has_shortcut) sum = shortcut_in_place(executor, weights.shortcut, canvas);
    ops::Conv2d conv2 = conv_of_rows(hidden, weights.conv2, {0, x.dim(0)}, x.dim(0), sum);
    conv2.accumulate = true;
    executor.run(conv2);
  }
  if (has_shortcut) canvas.settle(sum);
}

void mid_block(const Executor& executor, const AutoencoderConfig& config, const MidBlockWeights& weights,
               Canvas& canvas) {
  resnet(executor, config, weights.before, canvas);
  if (config.mid_attention) pixel_attention(executor, config, weights.attention, canvas.pixels());
  resnet(executor, config, weights.after, canvas);
}

// The reference pads one row below and one column to the right, none above or to the left.
void downsample(const Executor& executor, const ConvWeights& weights, Canvas& canvas) {
  const Tensor x = canvas.pixels();
  const Tensor out = canvas.result(x.dim(0) / 2, x.dim(1) / 2, x.dim(2));
  {
    const ArenaScope scope(executor.arena());
    const Tensor buffer = executor.allocate(x.dtype, {std::min(kBandRows, out.dim(0)), out.dim(1), out.dim(2)});
    for (std::int64_t row = 0; row < out.dim(0); row += kBandRows) {
      const Rows band = band_at(row, kBandRows, out.dim(0));
      const Rows input = {2 * band.begin, std::min(2 * band.end + 1, x.dim(0))};
      const Tensor halved = buffer.rows(0, band.count());
      executor.run(ops::Conv2d{.x = x.rows(input.begin, input.count()),
                               .weight = weights.weight,
                               .bias = weights.bias,
                               .stride = 2,
                               .pad_bottom = 2 * band.end + 1 - input.end,
                               .pad_right = 1,
                               .out = halved});
      copy_pixels(executor, halved, out.rows(band.begin, band.count()));
    }
  }
  canvas.settle(out);
}

}  // namespace steadyflux
