#include "base/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/bf16.h"

namespace steadyflux {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// The value of a finite half, from the format's definition.
double half_value(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  const double magnitude = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

TEST(Half, EveryFiniteHalfWidensToItsValueAndComesBack) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    if ((bits & 0x7C00) == 0x7C00) continue;
    const Half half{static_cast<std::uint16_t>(bits)};
    const float wide = float_from_half(half);
    ASSERT_EQ(static_cast<double>(wide), half_value(half.bits)) << bits;
    ASSERT_EQ(half_from_float(wide), half) << bits;
  }
}

TEST(Half, RoundsToNearestAndTiesToEven) {
  for (std::uint16_t bits = 0; bits < 0x7BFF; ++bits) {
    const auto above = static_cast<std::uint16_t>(bits + 1);
    const auto middle = static_cast<float>((half_value(bits) + half_value(above)) / 2);
    const std::uint16_t even = (bits & 1) == 0 ? bits : above;
    ASSERT_EQ(half_from_float(middle).bits, even) << bits;
    ASSERT_EQ(half_from_float(std::nextafter(middle, 0.0f)).bits, bits) << bits;
    ASSERT_EQ(half_from_float(std::nextafter(middle, kInfinity)).bits, above) << bits;
    ASSERT_EQ(half_from_float(-middle).bits, even | 0x8000) << bits;
  }
}

TEST(Half, OverflowsToInfinityHalfAStepAboveTheLargest) {
  EXPECT_EQ(half_from_float(65519.996f).bits, 0x7BFF);
  EXPECT_EQ(half_from_float(65520.0f).bits, 0x7C00);
  EXPECT_EQ(half_from_float(-65536.0f).bits, 0xFC00);
  EXPECT_EQ(half_from_float(kInfinity).bits, 0x7C00);
  EXPECT_EQ(float_from_half({0xFC00}), -kInfinity);
}

TEST(Half, NanStaysNan) {
  EXPECT_TRUE(std::isnan(float_from_half(half_from_float(kNan))));
  EXPECT_TRUE(std::isnan(float_from_half(half_from_float(std::bit_cast<float>(0x7F800001u)))));
  EXPECT_EQ(half_from_float(std::bit_cast<float>(0xFFC00000u)).bits & 0x8000, 0x8000);
}

TEST(BFloat16, EveryValueComesBack) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const BFloat16 value{static_cast<std::uint16_t>(bits)};
    const float wide = float_from_bf16(value);
    if (std::isnan(wide)) {
      ASSERT_TRUE(std::isnan(round_to_bf16(wide))) << bits;
    } else {
      ASSERT_EQ(bf16_from_float(wide), value) << bits;
    }
  }
}

TEST(BFloat16, RoundsToNearestAndTiesToEven) {
  for (std::uint32_t bits = 0; bits < 0x7F80; ++bits) {
    const std::uint32_t middle = (bits << 16) | 0x8000u;
    const std::uint32_t even = bits + (bits & 1u);
    ASSERT_EQ(bf16_from_float(std::bit_cast<float>(middle)).bits, even) << bits;
    ASSERT_EQ(bf16_from_float(std::bit_cast<float>(middle - 1)).bits, bits) << bits;
    ASSERT_EQ(bf16_from_float(std::bit_cast<float>(middle + 1)).bits, bits + 1) << bits;
    ASSERT_EQ(bf16_from_float(std::bit_cast<float>(middle | 0x80000000u)).bits, even | 0x8000u) << bits;
  }
}

TEST(BFloat16, KeepsInfinityAndNan) {
  EXPECT_EQ(bf16_from_float(kInfinity).bits, 0x7F80);
  EXPECT_EQ(bf16_from_float(std::numeric_limits<float>::max()).bits, 0x7F80);
  EXPECT_TRUE(std::isnan(round_to_bf16(std::bit_cast<float>(0x7F800001u))));
  EXPECT_EQ(bf16_from_float(std::bit_cast<float>(0xFF800001u)).bits & 0x8000, 0x8000);
}

}  // namespace
}  // namespace steadyflux
