// How far a result may lie from the exact one: every constant and rule of the bounds, derived from the formats.
//
// Notation: u is the unit roundoff of a format (half the distance of 1 to the next number), n the length of a sum.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/dtype.h"

namespace steadyflux::conformance {

inline constexpr double kUnitF32 = 0x1p-24;  // 24 significant bits
inline constexpr double kUnitBf16 = 0x1p-8;  // 8 significant bits

// Results this small may be flushed to zero.
inline constexpr double kUnderflow = 0x1p-126;

inline double unit_roundoff(DType dtype) { return dtype == DType::kBF16 ? kUnitBf16 : kUnitF32; }

// Confidence of the probabilistic bounds: m independent roundings with errors of at most e_i add up to less than
// kLambda * sqrt(sum e_i^2), but for a chance of 2 exp(-kLambda^2 / 2) even if each were as large as it can be
// (Hoeffding; Higham and Mary, "A new approach to probabilistic rounding error analysis", 2019). A rounding error is
// about evenly spread, which makes the chance 2 exp(-3/2 kLambda^2), below 1e-10.
inline constexpr double kLambda = 4;

// Error of a sum of n products accumulated in f32 in any order, as a fraction of the sum of their magnitudes: n u at
// worst, kLambda sqrt(n) u in all likelihood. Products of bf16 numbers are exact, others add one rounding.
inline double sum_error(std::int64_t n) {
  const auto terms = static_cast<double>(n);
  return std::min(terms + 1, kLambda * std::sqrt(terms) + 1) * kUnitF32;
}

// Error of a sum in which one factor of each product was rounded to bf16, `squares` being the sum of the squared
// products.
inline double bf16_factor_error(double squares) { return kLambda * kUnitBf16 * std::sqrt(squares); }

// Error of an activation at x, computed in f32 from an argument that is off by `error`. The steepest slope of all of
// them is GELU's, 1.13. Evaluation: exp and erf to a few u of their value, the argument to a few u; 8 u |x| covers
// forms that subtract from 1.
inline double activation_error(double x, double error) { return 1.13 * error + 8 * kUnitF32 * std::fabs(x); }

// Most that got and expected may differ when the exact results behind them differ by `error` and both were then
// rounded to `dtype`. An error of 0 asks for equality: such operations are single roundings of exact values.
inline double allowed_difference(double expected, double error, DType dtype) {
  if (error == 0) return 0;
  return error + 2 * unit_roundoff(dtype) * (std::fabs(expected) + error) + kUnderflow;
}

}  // namespace steadyflux::conformance
