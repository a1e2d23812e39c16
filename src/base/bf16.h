// bfloat16: the upper half of an IEEE single; conversions that round to nearest, ties to even.
#pragma once

#include <bit>
#include <cstdint>

namespace steadyflux {

// Storage of one bfloat16 number. Arithmetic is done in float: convert, compute, convert back.
struct BFloat16 {
  std::uint16_t bits = 0;

  friend constexpr bool operator==(BFloat16, BFloat16) = default;  // compares bits, so a NaN equals itself
};
static_assert(sizeof(BFloat16) == 2);

// The nearest bfloat16. Too large gives infinity; subnormals are kept; a NaN stays a (quiet) NaN of the same sign.
constexpr BFloat16 bf16_from_float(float value) {
  const auto word = std::bit_cast<std::uint32_t>(value);
  if ((word & 0x7FFFFFFFu) > 0x7F800000u) return {static_cast<std::uint16_t>((word >> 16) | 0x0040u)};
  const std::uint32_t tie_to_even = (word >> 16) & 1u;
  return {static_cast<std::uint16_t>((word + 0x7FFFu + tie_to_even) >> 16)};
}

// Exact.
constexpr float float_from_bf16(BFloat16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

// `value` as a bfloat16 keeps it: what a tensor operation's result becomes in a bf16 model.
constexpr float round_to_bf16(float value) { return float_from_bf16(bf16_from_float(value)); }

}  // namespace steadyflux
