// One block of each type to and from f32: what codec.cc calls. Contracts are codec.h's.
#pragma once

#include <cmath>

#include "base/error.h"
#include "tensor/block_layout.h"

namespace steadyflux::codec {

void decode(const Q4_0& block, float* values);
void decode(const Q4_1& block, float* values);
void decode(const Q5_0& block, float* values);
void decode(const Q5_1& block, float* values);
void decode(const Q8_0& block, float* values);
void decode(const Q2K& block, float* values);
void decode(const Q3K& block, float* values);
void decode(const Q4K& block, float* values);
void decode(const Q5K& block, float* values);
void decode(const Q6K& block, float* values);
void decode(const Iq4Nl& block, float* values);
void decode(const Iq4Xs& block, float* values);

void encode(const float* values, Q4_0& block);
void encode(const float* values, Q4_1& block);
void encode(const float* values, Q5_0& block);
void encode(const float* values, Q5_1& block);
void encode(const float* values, Q8_0& block);
void encode(const float* values, Q4K& block);
void encode(const float* values, Q5K& block);
void encode(const float* values, Q6K& block);

// 1 / scale, or 0 where that is no number: then the scale is zero as an f16 too, and no code matters.
inline float reciprocal(float scale) {
  const float inverse = 1.0f / scale;
  return std::isfinite(inverse) ? inverse : 0.0f;
}

inline Half scale_as_half(float scale) {
  const Half half = half_from_float(scale);
  if ((half.bits & 0x7C00u) == 0x7C00u) {
    fail(ErrorCode::kInvalidArgument, "a block's scale of ", scale,
         " is too large for the f16 that would hold it; use bf16");
  }
  return half;
}

}  // namespace steadyflux::codec
