// bitsandbytes' nf4 and fp4, two elements a byte and the first in the high nibble.
#include <array>

#include "base/error.h"
#include "tensor/codec.h"

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

void expect_four_bit(DType type) {
  ensure(type == DType::kNf4 || type == DType::kFp4, dtype_name(type), " has no scales apart for each block");
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

}  // namespace steadyflux::codec
