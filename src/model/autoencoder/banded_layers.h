// Layers computed in bands of rows, with the bits of the same layers over the whole image. What is not held is computed
// again: a group norm needs the statistics of all rows before the first can be normed.
#pragma once

#include "model/autoencoder/canvas.h"
#include "model/autoencoder/weights.h"

namespace steadyflux {

// The canvas's pixels doubled by nearest neighbour and convolved, in place.
void upsample_in_bands(const Executor& executor, const ConvWeights& weights, std::int64_t band_rows, Canvas& canvas);

// A resnet on the canvas's pixels or, when `upsampler` is given, on what upsample_in_bands would make of them, which
// then is never held whole; nor is the resnet's hidden layer. That one is computed twice, what the upsampler makes
// three times.
void resnet_in_bands(const Executor& executor, const AutoencoderConfig& config, const ResnetWeights& weights,
                     const ConvWeights* upsampler, std::int64_t band_rows, Canvas& canvas);

}  // namespace steadyflux
