#include "sampling/timestep.h"

#include <cmath>

#include "sampling/rounding.h"

namespace steadyflux::sampling {
namespace {

constexpr float kTrainTimesteps = 1000.0f;

// f_k as the reference has it: exponent and result are floats.
float frequency(std::size_t k) {
  constexpr std::size_t kHalf = kTimestepEmbeddingSize / 2;
  const auto log_period = static_cast<float>(std::log(10000.0));
  const float exponent = -log_period * static_cast<float>(k) / static_cast<float>(kHalf);
  const auto nearest = static_cast<float>(std::exp(static_cast<double>(exponent)));
  // The reference's vector exp errs by up to 0.55 units, and at these two misses the nearest float. An angle of
  // thousands of radians would carry that one bit into the fourth decimal.
  const bool reference_is_above = k == 12 || k == 106;
  return reference_is_above ? std::nextafter(nearest, 1.0f) : nearest;
}

}  // namespace

float timestep_tau(float timestep, DType model_dtype) {
  const float fraction = round_to_dtype(round_to_dtype(timestep, model_dtype) / kTrainTimesteps, model_dtype);
  return round_to_dtype(fraction * kTrainTimesteps, model_dtype);
}

float guidance_tau(double guidance, DType model_dtype) {
  const float rounded = round_to_dtype(static_cast<float>(guidance), model_dtype);
  return round_to_dtype(rounded * kTrainTimesteps, model_dtype);
}

void timestep_embedding(float tau, std::span<float, kTimestepEmbeddingSize> out) {
  constexpr std::size_t kHalf = kTimestepEmbeddingSize / 2;
  for (std::size_t k = 0; k < kHalf; ++k) {
    const auto angle = static_cast<double>(tau * frequency(k));
    out[k] = static_cast<float>(std::cos(angle));
    out[k + kHalf] = static_cast<float>(std::sin(angle));
  }
}

}  // namespace steadyflux::sampling
