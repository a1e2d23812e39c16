// What the transformer is told about time and guidance: tau, and its sinusoidal embedding.
#pragma once

#include <cstddef>
#include <span>

#include "base/dtype.h"

namespace steadyflux::sampling {

// tau of a timestep in [0, 1000]: divided by 1000 and multiplied again, each rounded to the model's dtype, so it is
// not always the timestep: schnell's 750 becomes 752 in bf16.
// model_dtype: kF32, kBF16 or kF16, else Error(kUnsupported).
float timestep_tau(float timestep, DType model_dtype);

// The same for the guidance scale of a guidance-distilled model: 1000 × guidance in the model's dtype.
float guidance_tau(double guidance, DType model_dtype);

inline constexpr std::size_t kTimestepEmbeddingSize = 256;

// The embedding of tau (of a timestep or of a guidance scale): out[k] = cos(tau f_k), out[k + 128] = sin(tau f_k) with
// f_k = 10000^(-k / 128). Frequencies and angles have the reference's bits; sine and cosine are the nearest floats,
// which are within one unit in the last place of the reference's.
void timestep_embedding(float tau, std::span<float, kTimestepEmbeddingSize> out);

}  // namespace steadyflux::sampling
