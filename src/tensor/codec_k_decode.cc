// Super-blocks of 256 with quantised scales inside: q2_k to q6_k.
#include "tensor/block_codecs.h"

namespace steadyflux::codec {
namespace {

// Two bits of element i: each 32 bytes hold 128 elements.
int two_bits(const std::uint8_t* bytes, int i) { return (bytes[i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2)) & 3; }

// The nibble of element i where each 32 bytes hold 64 elements.
int nibble(const std::uint8_t* bytes, int i) { return (bytes[i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4)) & 15; }

// One bit of element i, of 32 bytes.
int one_bit(const std::uint8_t* bytes, int i) { return (bytes[i % 32] >> (i / 32)) & 1; }

template <typename Block, typename Code>
void decode_with_minimum(const Block& block, const Code& code, float* values) {
  const float d = float_from_half(block.d);
  const float dmin = float_from_half(block.dmin);
  for (int b = 0; b < 8; ++b) {
    const ScaleAndMin packed = scale_and_min(block.scales, b);
    const float scale = d * static_cast<float>(packed.scale);
    const float min = dmin * static_cast<float>(packed.min);
    for (int i = 32 * b; i < 32 * (b + 1); ++i) values[i] = scale * static_cast<float>(code(i)) - min;
  }
}

}  // namespace

void decode(const Q2K& block, float* values) {
  const float d = float_from_half(block.d);
  const float dmin = float_from_half(block.dmin);
  for (int i = 0; i < kSuperBlock; ++i) {
    const int packed = block.scales[i / 16];
    const float scale = d * static_cast<float>(packed & 15);
    const float min = dmin * static_cast<float>(packed >> 4);
    values[i] = scale * static_cast<float>(two_bits(block.q, i)) - min;
  }
}

void decode(const Q3K& block, float* values) {
  const float d = float_from_half(block.d);
  for (int i = 0; i < kSuperBlock; ++i) {
    const float scale = d * static_cast<float>(q3k_scale(block.scales, i / 16));
    values[i] = scale * static_cast<float>((two_bits(block.q, i) | (one_bit(block.high, i) << 2)) - 4);
  }
}

void decode(const Q4K& block, float* values) {
  decode_with_minimum(
      block, [&](int i) { return nibble(block.q, i); }, values);
}

void decode(const Q5K& block, float* values) {
  decode_with_minimum(
      block, [&](int i) { return nibble(block.q, i) | (one_bit(block.high, i) << 4); }, values);
}

void decode(const Q6K& block, float* values) {
  const float d = float_from_half(block.d);
  for (int i = 0; i < kSuperBlock; ++i) {
    const float scale = d * static_cast<float>(block.scales[i / 16]);
    const int low = (block.low[i / 128 * 64 + i % 64] >> (i / 64 % 2 * 4)) & 15;
    values[i] = scale * static_cast<float>((low | (two_bits(block.high, i) << 4)) - 32);
  }
}

}  // namespace steadyflux::codec
