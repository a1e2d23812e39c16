// How long the ways of decoding a picture take, and what they hold.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "backend/measure/measure_backend.h"
#include "model/autoencoder/autoencoder.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux::bench {

struct DecodeSetting {
  AutoencoderConfig config;
  DType activations = DType::kBF16;
  DType weights = DType::kBF16;
  std::int64_t height = 0;  // pixels
  std::int64_t width = 0;
};

// One mode, over all rounds.
struct DecodeTiming {
  DecodeMode mode;
  std::uint64_t weights_bytes = 0;
  std::uint64_t arena_bytes = 0;
  double flops = 0;
  std::vector<double> seconds;           // of each round, from reserving the arena to the last pixel
  std::vector<double> relative_seconds;  // to the first mode's of the same round
  std::uint64_t peak_process_bytes = 0;  // held by the process at the end of the decode
  bool same_picture = true;              // as that of the first mode, in every round
};

// Throws Error(kInvalidArgument) unless the sides are whole latent tokens.
void check(const DecodeSetting& setting);

// The convolutions of a whole decode.
std::vector<ConvTotal> convs_of_decode(Backend& backend, const DecodeSetting& setting);

// Decodes made-up latents with made-up weights, held in memory throughout, by each of `modes` in turn, `rounds` times.
// `beside`, if given, is called once a round: for what is to be timed in turns with them, whose memory then counts in
// peak_process_bytes. Ends early, with the rounds so far, when `observer` cancels.
std::vector<DecodeTiming> time_decode(Backend& backend, const DecodeSetting& setting,
                                      const std::vector<DecodeMode>& modes, int rounds, Observer& observer,
                                      const std::function<void()>& beside = {});

}  // namespace steadyflux::bench
