// IEEE half precision (f16): conversions that round to nearest, ties to even.
#pragma once

#include <bit>
#include <cstdint>

namespace steadyflux {

// Storage of one half-precision number. Arithmetic is done in float: convert, compute, convert back.
struct Half {
  std::uint16_t bits = 0;

  friend constexpr bool operator==(Half, Half) = default;  // compares bits, so a NaN equals itself
};
static_assert(sizeof(Half) == 2);

// The nearest half. 65520 and above gives infinity; subnormals are kept; a NaN stays a (quiet) NaN of the same sign.
constexpr Half half_from_float(float value) {
  const auto word = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (word >> 16) & 0x8000u;
  const std::uint32_t magnitude = word & 0x7FFFFFFFu;
  const auto signed_half = [sign](std::uint32_t bits) { return Half{static_cast<std::uint16_t>(sign | bits)}; };
  if (magnitude > 0x7F800000u) return signed_half(0x7E00u | ((magnitude >> 13) & 0x01FFu));
  if (magnitude >= 0x47800000u) return signed_half(0x7C00u);  // 65536 and above
  if (magnitude < 0x33000000u) return signed_half(0);         // below half of the smallest subnormal

  // A normal half drops 13 fraction bits; each binade below 2^-14 drops one more.
  const std::uint32_t exponent = magnitude >> 23;
  const bool subnormal = exponent < 113;
  const std::uint32_t dropped_bits = subnormal ? 126 - exponent : 13;
  const std::uint32_t significand =
      subnormal ? ((magnitude & 0x007FFFFFu) | 0x00800000u) : magnitude - (112u << 23);  // exponent bias 127 to 15
  const std::uint32_t tie_to_even = (significand >> dropped_bits) & 1u;
  const std::uint32_t below_half = (1u << (dropped_bits - 1)) - 1u;
  return signed_half((significand + below_half + tie_to_even) >> dropped_bits);  // a carry moves to the next binade
}

// Exact.
constexpr float float_from_half(Half value) {
  const std::uint32_t sign = static_cast<std::uint32_t>(value.bits & 0x8000u) << 16;
  const std::uint32_t exponent = (value.bits >> 10) & 0x1Fu;
  const std::uint32_t fraction = value.bits & 0x03FFu;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t wide_exponent = exponent == 31 ? 255u : exponent + 112u;
  return std::bit_cast<float>(sign | (wide_exponent << 23) | (fraction << 13));
}

// `value` as a half keeps it.
constexpr float round_to_half(float value) { return float_from_half(half_from_float(value)); }

}  // namespace steadyflux
