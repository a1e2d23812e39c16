// Which layers a decoder holds whole and which it computes in bands, and again where needed.
#pragma once

#include <cstdint>
#include <vector>

#include "model/autoencoder/autoencoder.h"
#include "model/autoencoder/weights.h"

namespace steadyflux {

// From the latents' resolution to the picture's; every stage but the first begins by doubling it.
std::vector<UpStageSizes> up_stages(const AutoencoderConfig& config);

// How a stage is computed. What is not held comes in bands.
struct StageSchedule {
  bool holds_input = true;         // of the first resnet: what the upsampler makes; true where there is none
  bool holds_first_hidden = true;  // the first resnet's hidden layer; implies holds_input
  bool holds_hidden = true;        // those of the other resnets
  std::int64_t band_rows = 0;      // of this stage's rows

  bool whole() const { return holds_input && holds_first_hidden && holds_hidden; }
};

// The schedule of every stage for a picture of height x width pixels; `mode` is not tiled. Each stage's is the one that
// computes least among those whose layers fit mode.layers_bytes, or the one with the least bytes if none fits.
std::vector<StageSchedule> schedule_stages(const AutoencoderConfig& config, DType activations, const DecodeMode& mode,
                                           std::int64_t height, std::int64_t width);

}  // namespace steadyflux
