// The transformer's blocks: one pass of one image through each.
#pragma once

#include "model/flux/flux.h"
#include "model/flux/weights.h"
#include "nn/modulation.h"

namespace steadyflux {

// Two modulations, of attention and of MLP.
struct FluxStreamModulation {
  Modulation attention;
  Modulation mlp;
};

// A pass on its way: views of one residual stream [txt_tokens + img_tokens, width] in f32, text first.
struct FluxStreams {
  Tensor all;
  Tensor txt;
  Tensor img;
};
FluxStreams flux_streams(const FluxPass& pass);

// Text and image are normed, projected and fed forward by their own weights and attend to each other.
void double_block(const Executor& executor, const FluxConfig& config, const FluxDoubleBlock& weights,
                  const FluxStreamModulation& img, const FluxStreamModulation& txt, DType activations,
                  const FluxPass& pass);

// Attention and MLP side by side on both streams. `img_only`: nobody reads the text stream after this block, so text
// enters as keys and values alone.
void single_block(const Executor& executor, const FluxConfig& config, const FluxSingleBlock& weights,
                  const Modulation& modulation, DType activations, bool img_only, const FluxPass& pass);

}  // namespace steadyflux
