// The layers that encoder and decoder share, each over the whole image. Pixels are [height, width, channels].
#pragma once

#include "model/autoencoder/canvas.h"
#include "model/autoencoder/rows.h"
#include "model/autoencoder/weights.h"

namespace steadyflux {

// A convolution with a square kernel of odd size that keeps height and width, for some rows of an image of `height`
// rows: x is rows with_halo(rows), out is `rows`.
ops::Conv2d conv_of_rows(const Tensor& x, const ConvWeights& weights, Rows rows, std::int64_t height,
                         const Tensor& out);

// out = x convolved, all rows.
void conv(const Executor& executor, const Tensor& x, const ConvWeights& weights, const Tensor& out);

// Statistics [groups, 2] of all of x, in the arena.
Tensor group_norm_stats(const Executor& executor, const AutoencoderConfig& config, const Tensor& x);
// The same from moments of rows [height, groups, 2].
Tensor group_norm_stats(const Executor& executor, const Tensor& moments);
// out = act(GN(x)) with statistics of the image that x is a part of; `out` may be x.
void apply_group_norm(const Executor& executor, const Tensor& x, const Tensor& stats, const NormWeights& norm,
                      ops::Activation activation, const Tensor& out);
// out = act(GN(x)); `out` may be x.
void group_norm(const Executor& executor, const AutoencoderConfig& config, const Tensor& x, const NormWeights& norm,
                ops::Activation activation, const Tensor& out);

// out = conv(silu(GN(x))). x stays as it is; its normed pixels are held a band of rows at a time.
void norm_silu_conv(const Executor& executor, const AutoencoderConfig& config, const Tensor& x, const NormWeights& norm,
                    const ConvWeights& weights, const Tensor& out);

// These take the canvas's pixels one layer further.
void resnet(const Executor& executor, const AutoencoderConfig& config, const ResnetWeights& weights, Canvas& canvas);
void mid_block(const Executor& executor, const AutoencoderConfig& config, const MidBlockWeights& weights,
               Canvas& canvas);
void downsample(const Executor& executor, const ConvWeights& weights, Canvas& canvas);

}  // namespace steadyflux
