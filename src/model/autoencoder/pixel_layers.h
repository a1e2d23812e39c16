// The layers that encoder and decoder share. Pixels are [height, width, channels].
#pragma once

#include "model/autoencoder/pixel_relay.h"
#include "model/autoencoder/weights.h"

namespace steadyflux {

// out = x convolved with a square kernel of odd size, of the same height and width.
void conv(const Executor& executor, const Tensor& x, const ConvWeights& weights, const Tensor& out);

// out = act(GN(x)); `out` may be x.
void group_norm(const Executor& executor, const AutoencoderConfig& config, const Tensor& x, const NormWeights& norm,
                ops::Activation activation, const Tensor& out);

// out = conv(silu(GN(x))). x stays as it is; its normed pixels are held a band of rows at a time.
void norm_silu_conv(const Executor& executor, const AutoencoderConfig& config, const Tensor& x, const NormWeights& norm,
                    const ConvWeights& weights, const Tensor& out);

// Both take the relay's current pixels one block further.
void mid_block(const Executor& executor, const AutoencoderConfig& config, const MidBlockWeights& weights,
               PixelRelay& relay);
void pixel_block(const Executor& executor, const AutoencoderConfig& config, const PixelBlockWeights& weights,
                 Resample resample, PixelRelay& relay);

}  // namespace steadyflux
