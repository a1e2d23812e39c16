// Blocks of 32 with one scale, or a scale and a minimum: q4_0, q4_1, q5_0, q5_1, q8_0.
#include "tensor/block_decoders.h"

namespace steadyflux::codec {
namespace {

constexpr int kBlock = 32;

template <typename Block>
int code_of(const Block& block, int i) {
  const int low = i < kBlock / 2 ? block.q[i] & 15 : block.q[i - kBlock / 2] >> 4;
  if constexpr (requires { block.high; }) {
    return low | (((block.high[i / 8] >> (i % 8)) & 1) << 4);
  } else {
    return low;
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

}  // namespace

void decode(const Q4_0& block, float* values) { decode_around_zero(block, 8, values); }
void decode(const Q5_0& block, float* values) { decode_around_zero(block, 16, values); }
void decode(const Q4_1& block, float* values) { decode_with_minimum(block, values); }
void decode(const Q5_1& block, float* values) { decode_with_minimum(block, values); }
void decode(const Q8_0& block, float* values) {
  const float d = float_from_half(block.d);
  for (int i = 0; i < kBlock; ++i) values[i] = d * static_cast<float>(block.q[i]);
}

}  // namespace steadyflux::codec
