// bitsandbytes' nf4 and fp4, two elements a byte and the first in the high nibble; their nested scales; rows of i8.
#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "tensor/codec.h"
#include "tensor/finite.h"

namespace steadyflux::codec {
namespace {

constexpr std::int64_t kBlock = block_shape(DType::kNf4).elements;
static_assert(block_shape(DType::kFp4).elements == kBlock);

using Codes = std::array<float, 16>;
// Middles of the intervals between equal masses of a normal distribution, divided by the largest (QLoRA, appendix E).
constexpr Codes kNf4 = {-1.0f,
                        -0.6961928009986877f,
                        -0.5250730514526367f,
                        -0.39491748809814453f,
                        -0.28444138169288635f,
                        -0.18477343022823334f,
                        -0.09105003625154495f,
                        0.0f,
                        0.07958029955625534f,
                        0.16093020141124725f,
                        0.24611230194568634f,
                        0.33791524171829224f,
                        0.44070982933044434f,
                        0.5626170039176941f,
                        0.7229568362236023f,
                        1.0f};
// A sign, two bits of exponent and one of fraction, divided by the largest; -0 reads as 0.
constexpr Codes kFp4 = {0.0f, 0.0625f / 12,  8.0f / 12,  1.0f,  4.0f / 12,  0.5f,  2.0f / 12,  0.25f,
                        0.0f, -0.0625f / 12, -8.0f / 12, -1.0f, -4.0f / 12, -0.5f, -2.0f / 12, -0.25f};

// Codes in the order of what they stand for, and the middles between neighbours: above them a value takes the upper.
struct Ladder {
  std::array<std::uint8_t, 16> codes{};
  std::array<float, 15> middles{};
};
constexpr Ladder make_ladder(const Codes& values, const std::array<std::uint8_t, 16>& ascending) {
  Ladder ladder{ascending, {}};
  for (std::size_t i = 0; i < 15; ++i) ladder.middles[i] = (values[ascending[i]] + values[ascending[i + 1]]) / 2;
  return ladder;
}
constexpr Ladder kNf4Ladder = make_ladder(kNf4, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});
constexpr Ladder kFp4Ladder = make_ladder(kFp4, {11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3});

constexpr std::array<float, 255> make_nested_middles(std::span<const float, 256> codes) {
  std::array<float, 255> middles{};
  for (std::size_t i = 0; i < 255; ++i) middles[i] = (codes[i] + codes[i + 1]) / 2;
  return middles;
}

const Ladder& ladder_of(DType type) { return type == DType::kNf4 ? kNf4Ladder : kFp4Ladder; }

void expect_four_bit(DType type) {
  ensure(type == DType::kNf4 || type == DType::kFp4, dtype_name(type), " has no scales apart for each block");
}

float largest_magnitude(const float* values, std::int64_t count) {
  float largest = 0;
  for (std::int64_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(values[i]));
  return largest;
}

// 1 / scale as bitsandbytes has it; values so scaled are cut to [-1, 1].
float inverse_of(float scale) { return 1.0f / std::max(scale, 1e-38f); }
float scaled(float value, float inverse) { return std::clamp(value * inverse, -1.0f, 1.0f); }

int code_of(const Ladder& ladder, float value) {
  // Counting is faster than a search: the compiler compares several middles at once.
  int above = 0;
  for (const float middle : ladder.middles) above += value > middle ? 1 : 0;
  return ladder.codes[static_cast<std::size_t>(above)];
}

}  // namespace

std::span<const float, 16> four_bit_codes(DType type) {
  expect_four_bit(type);
  return type == DType::kNf4 ? kNf4 : kFp4;
}

void decode(DType type, const std::byte* codes, const float* scales, std::int64_t count, float* values) {
  const std::span<const float, 16> table = four_bit_codes(type);
  ensure(count % kBlock == 0, "expected whole blocks of ", kBlock, " elements, got ", count);
  for (std::int64_t i = 0; i < count; i += 2) {
    const auto pair = static_cast<std::size_t>(codes[i / 2]);
    values[i] = table[pair >> 4] * scales[i / kBlock];
    values[i + 1] = table[pair & 15] * scales[i / kBlock];
  }
}

void encode(DType type, const float* values, std::int64_t count, std::byte* codes, float* scales) {
  expect_four_bit(type);
  ensure(count % kBlock == 0, "expected whole blocks of ", kBlock, " elements, got ", count);
  expect_finite(values, count);
  const Ladder& ladder = ladder_of(type);
  for (std::int64_t begin = 0; begin < count; begin += kBlock) {
    const float scale = largest_magnitude(values + begin, kBlock);
    const float inverse = inverse_of(scale);
    scales[begin / kBlock] = scale;
    for (std::int64_t i = begin; i < begin + kBlock; i += 2) {
      const int first = code_of(ladder, scaled(values[i], inverse));
      const int second = code_of(ladder, scaled(values[i + 1], inverse));
      codes[i / 2] = static_cast<std::byte>((first << 4) | second);
    }
  }
}

float encode_scales(const float* scales, std::int64_t count, std::uint8_t* codes, float* nested) {
  expect_finite(scales, count);
  const std::array<float, 255> middles = make_nested_middles(nested_scale_codes());
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += scales[i];
  const auto offset = static_cast<float>(sum / static_cast<double>(std::max<std::int64_t>(count, 1)));
  for (std::int64_t begin = 0; begin < count; begin += Scales::kNestedBlock) {
    const std::int64_t end = std::min(count, begin + Scales::kNestedBlock);
    float largest = 0;
    for (std::int64_t i = begin; i < end; ++i) largest = std::max(largest, std::fabs(scales[i] - offset));
    const float inverse = inverse_of(largest);
    nested[begin / Scales::kNestedBlock] = largest;
    for (std::int64_t i = begin; i < end; ++i) {
      const float value = scaled(scales[i] - offset, inverse);
      codes[i] = static_cast<std::uint8_t>(std::lower_bound(middles.begin(), middles.end(), value) - middles.begin());
    }
  }
  return offset;
}

float encode_row_i8(const float* values, std::int64_t count, std::int8_t* codes) {
  expect_finite(values, count);
  const float scale = largest_magnitude(values, count) / 127;
  for (std::int64_t i = 0; i < count; ++i) {
    // A scale so small that it has lost its precision could lead beyond the ends.
    const float code = scale > 0 ? std::clamp(std::nearbyint(values[i] / scale), -127.0f, 127.0f) : 0.0f;
    codes[i] = static_cast<std::int8_t>(code);
  }
  return scale;
}

}  // namespace steadyflux::codec
