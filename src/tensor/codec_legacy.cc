// Blocks of 32 with one scale, or a scale and a minimum: q4_0, q4_1, q5_0, q5_1, q8_0.
#include <algorithm>
#include <cmath>

#include "tensor/block_codecs.h"

namespace steadyflux::codec {
namespace {

constexpr int kBlock = 32;

// The element whose magnitude is largest, the first of equals, with its sign.
float signed_peak(const float* values) {
  float magnitude = 0;
  float peak = 0;
  for (int i = 0; i < kBlock; ++i) {
    if (std::fabs(values[i]) > magnitude) {
      magnitude = std::fabs(values[i]);
      peak = values[i];
    }
  }
  return peak;
}

// (x - shift) * scale + bias, cut to a whole number of at most `most`. Never negative but by a rounding.
int quantise(float x, float shift, float scale, float bias, int most) {
  return std::clamp(static_cast<int>((x - shift) * scale + bias), 0, most);
}

template <typename Block>
int code_of(const Block& block, int i) {
  const int low = i < kBlock / 2 ? block.q[i] & 15 : block.q[i - kBlock / 2] >> 4;
  if constexpr (requires { block.high; }) {
    return low | (((block.high[i / 8] >> (i % 8)) & 1) << 4);
  } else {
    return low;
  }
}

// Writes codes of four bits, or of five where there is room for the fifth.
template <typename Block>
void store_codes(const int* codes, Block& block) {
  constexpr int kHalf = kBlock / 2;
  for (int i = 0; i < kHalf; ++i) {
    block.q[i] = static_cast<std::uint8_t>((codes[i] & 15) | ((codes[i + kHalf] & 15) << 4));
  }
  if constexpr (requires { block.high; }) {
    for (int byte = 0; byte < kBlock / 8; ++byte) {
      int bits = 0;
      for (int i = 0; i < 8; ++i) bits |= (codes[8 * byte + i] >> 4) << i;
      block.high[byte] = static_cast<std::uint8_t>(bits);
    }
  }
}

template <typename Block>
void decode_around_zero(const Block& block, int zero, float* values) {
  const float d = float_from_half(block.d);
  for (int i = 0; i < kBlock; ++i) values[i] = d * static_cast<float>(code_of(block, i) - zero);
}

template <typename Block>
void decode_with_minimum(const Block& block, float* values) {
  const float d = float_from_half(block.d);
  const float m = float_from_half(block.m);
  for (int i = 0; i < kBlock; ++i) values[i] = d * static_cast<float>(code_of(block, i)) + m;
}

// The largest magnitude becomes -zero, which has no positive counterpart.
template <typename Block>
void encode_around_zero(const float* values, int zero, Block& block) {
  const float d = signed_peak(values) / static_cast<float>(-zero);
  const float inverse = reciprocal(d);
  int codes[kBlock];
  const float bias = static_cast<float>(zero) + 0.5f;
  for (int i = 0; i < kBlock; ++i) codes[i] = quantise(values[i], 0, inverse, bias, 2 * zero - 1);
  block.d = scale_as_half(d);
  store_codes(codes, block);
}

template <typename Block>
void encode_with_minimum(const float* values, int most, Block& block) {
  const auto [least, largest] = std::minmax_element(values, values + kBlock);
  const float d = (*largest - *least) / static_cast<float>(most);
  const float inverse = reciprocal(d);
  int codes[kBlock];
  for (int i = 0; i < kBlock; ++i) codes[i] = quantise(values[i], *least, inverse, 0.5f, most);
  block.d = scale_as_half(d);
  block.m = scale_as_half(*least);
  store_codes(codes, block);
}

// To the nearest whole number, halves away from zero.
int round_away(float x) {
  const int whole = static_cast<int>(x);
  const float rest = x - static_cast<float>(whole);  // exact
  return whole + (rest >= 0.5f ? 1 : 0) - (rest <= -0.5f ? 1 : 0);
}

}  // namespace

void decode(const Q4_0& block, float* values) { decode_around_zero(block, 8, values); }
void decode(const Q5_0& block, float* values) { decode_around_zero(block, 16, values); }
void decode(const Q4_1& block, float* values) { decode_with_minimum(block, values); }
void decode(const Q5_1& block, float* values) { decode_with_minimum(block, values); }
void decode(const Q8_0& block, float* values) {
  const float d = float_from_half(block.d);
  for (int i = 0; i < kBlock; ++i) values[i] = d * static_cast<float>(block.q[i]);
}

void encode(const float* values, Q4_0& block) { encode_around_zero(values, 8, block); }
void encode(const float* values, Q5_0& block) { encode_around_zero(values, 16, block); }
void encode(const float* values, Q4_1& block) { encode_with_minimum(values, 15, block); }
void encode(const float* values, Q5_1& block) { encode_with_minimum(values, 31, block); }
void encode(const float* values, Q8_0& block) {
  float largest = 0;
  for (int i = 0; i < kBlock; ++i) largest = std::max(largest, std::fabs(values[i]));
  const float d = largest / 127;
  const float inverse = reciprocal(d);
  for (int i = 0; i < kBlock; ++i) block.q[i] = static_cast<std::int8_t>(round_away(values[i] * inverse));
  block.d = scale_as_half(d);
}

}  // namespace steadyflux::codec
