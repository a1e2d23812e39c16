// Rounding a number as a tensor of a model's dtype keeps it.
#pragma once

#include "base/bf16.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/half.h"

namespace steadyflux::sampling {

// `value` rounded to `dtype`: kF32 (unchanged), kBF16 or kF16. Throws Error(kUnsupported) for any other.
inline float round_to_dtype(float value, DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return value;
    case DType::kBF16:
      return round_to_bf16(value);
    case DType::kF16:
      return round_to_half(value);
    default:
      fail(ErrorCode::kUnsupported, "a model computes in f32, bf16 or f16, not in ", dtype_name(dtype));
  }
}

}  // namespace steadyflux::sampling
