// Elements of weights of any type as f32, eight at a time, with the bits of tensor/codec.h. How blocks lie in memory is
// tensor/block_layout.h's.
#pragma once

#include "backend/cuda/elements.cuh"
#include "backend/cuda/tables.h"
#include "tensor/block_layout.h"

namespace steadyflux::cuda {

// Product and difference as the formats' references compute them: each rounded by itself.
__device__ inline float scaled(float scale, int code) { return rounded_product(scale, static_cast<float>(code)); }

// Octets never cross a group of elements with a scale of its own: the shortest has sixteen. `i` is the first element of
// the octet in its block.

__device__ inline int nibble_of_half(const std::uint8_t* q, int i) { return i < 16 ? q[i] & 15 : q[i - 16] >> 4; }

template <typename Block>
__device__ void decode_around_zero(const Block& block, int zero, int i, Octet& out) {
  const float d = float_of_half(block.d.bits);
#pragma unroll
  for (int e = 0; e < kOctet; ++e) {
    int code = nibble_of_half(block.q, i + e);
    if constexpr (requires { block.high; }) code |= ((block.high[i / 8] >> e) & 1) << 4;
    out.v[e] = scaled(d, code - zero);
  }
}

template <typename Block>
__device__ void decode_with_minimum(const Block& block, int i, Octet& out) {
  const float d = float_of_half(block.d.bits);
  const float m = float_of_half(block.m.bits);
#pragma unroll
  for (int e = 0; e < kOctet; ++e) {
    int code = nibble_of_half(block.q, i + e);
    if constexpr (requires { block.high; }) code |= ((block.high[i / 8] >> e) & 1) << 4;
    out.v[e] = rounded_sum(scaled(d, code), m);
  }
}

__device__ inline void decode(const codec::Q4_0& block, int i, Octet& out) { decode_around_zero(block, 8, i, out); }
__device__ inline void decode(const codec::Q5_0& block, int i, Octet& out) { decode_around_zero(block, 16, i, out); }
__device__ inline void decode(const codec::Q4_1& block, int i, Octet& out) { decode_with_minimum(block, i, out); }
__device__ inline void decode(const codec::Q5_1& block, int i, Octet& out) { decode_with_minimum(block, i, out); }

__device__ inline void decode(const codec::Q8_0& block, int i, Octet& out) {
  const float d = float_of_half(block.d.bits);
#pragma unroll
  for (int e = 0; e < kOctet; ++e) out.v[e] = scaled(d, block.q[i + e]);
}

__device__ inline int two_bits(const std::uint8_t* bytes, int i) {
  return (bytes[i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2)) & 3;
}
__device__ inline int nibble(const std::uint8_t* bytes, int i) {
  return (bytes[i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4)) & 15;
}
__device__ inline int one_bit(const std::uint8_t* bytes, int i) { return (bytes[i % 32] >> (i / 32)) & 1; }

__device__ inline void decode(const codec::Q2K& block, int i, Octet& out) {
  const int packed = block.scales[i / 16];
  const float scale = scaled(float_of_half(block.d.bits), packed & 15);
  const float min = scaled(float_of_half(block.dmin.bits), packed >> 4);
#pragma unroll
  for (int e = 0; e < kOctet; ++e) out.v[e] = rounded_sum(scaled(scale, two_bits(block.q, i + e)), -min);
}

__device__ inline void decode(const codec::Q3K& block, int i, Octet& out) {
  const float scale = scaled(float_of_half(block.d.bits), codec::q3k_scale(block.scales, i / 16));
#pragma unroll
  for (int e = 0; e < kOctet; ++e) {
    out.v[e] = scaled(scale, (two_bits(block.q, i + e) | (one_bit(block.high, i + e) << 2)) - 4);
  }
}

template <typename Block>
__device__ void decode_super_block(const Block& block, int i, Octet& out) {
  const codec::ScaleAndMin packed = codec::scale_and_min(block.scales, i / 32);
  const float scale = scaled(float_of_half(block.d.bits), packed.scale);
  const float min = scaled(float_of_half(block.dmin.bits), packed.min);
#pragma unroll
  for (int e = 0; e < kOctet; ++e) {
    int code = nibble(block.q, i + e);
    if constexpr (requires { block.high; }) code |= one_bit(block.high, i + e) << 4;
    out.v[e] = rounded_sum(scaled(scale, code), -min);
  }
}
__device__ inline void decode(const codec::Q4K& block, int i, Octet& out) { decode_super_block(block, i, out); }
__device__ inline void decode(const codec::Q5K& block, int i, Octet& out) { decode_super_block(block, i, out); }

__device__ inline void decode(const codec::Q6K& block, int i, Octet& out) {
  const float scale = scaled(float_of_half(block.d.bits), block.scales[i / 16]);
#pragma unroll
  for (int e = 0; e < kOctet; ++e) {
    const int at = i + e;
    const int low = (block.low[at / 128 * 64 + at % 64] >> (at / 64 % 2 * 4)) & 15;
    out.v[e] = scaled(scale, (low | (two_bits(block.high, at) << 4)) - 32);
  }
}

__device__ inline void decode(const codec::Iq4Nl& block, int i, Octet& out, const Tables& tables) {
  const float d = float_of_half(block.d.bits);
#pragma unroll
  for (int e = 0; e < kOctet; ++e) out.v[e] = rounded_product(d, tables.iq4[nibble_of_half(block.q, i + e)]);
}

__device__ inline void decode(const codec::Iq4Xs& block, int i, Octet& out, const Tables& tables) {
  const int b = i / 32;
  const float scale = scaled(float_of_half(block.d.bits), codec::iq4_xs_scale(block, b));
#pragma unroll
  for (int e = 0; e < kOctet; ++e) {
    out.v[e] = rounded_product(scale, tables.iq4[nibble_of_half(block.q + 16 * b, i % 32 + e)]);
  }
}

// The scale of block `index` of an nf4 or fp4 weight, or of row `index` of an i8 weight.
__device__ inline float scale_at(const WeightView& weight, std::int64_t index, const Tables& tables) {
  const Scales& scales = weight.scales;
  const std::int64_t i = scales.first + index;
  if (scales.nested == nullptr) return reinterpret_cast<const float*>(scales.values)[i];
  const float code = tables.nested[static_cast<std::uint8_t>(scales.values[i])];
  const float nested = reinterpret_cast<const float*>(scales.nested)[i / Scales::kNestedBlock];
  return rounded_sum(rounded_product(code, nested), scales.offset);
}

__device__ inline void decode_four_bit(const WeightView& weight, std::int64_t index, const float* codes, Octet& out,
                                       const Tables& tables) {
  const float scale = scale_at(weight, index / block_shape(DType::kNf4).elements, tables);
  const std::byte* const pairs = weight.data + index / 2;
#pragma unroll
  for (int e = 0; e < kOctet; e += 2) {
    const auto pair = static_cast<unsigned>(pairs[e / 2]);
    out.v[e] = rounded_product(codes[pair >> 4], scale);
    out.v[e + 1] = rounded_product(codes[pair & 15], scale);
  }
}

// `kElements` are those of a block.
template <typename Block, int kElements>
__device__ Octet decode_block(const WeightView& weight, std::int64_t index, const Tables& tables) {
  const Block& block = reinterpret_cast<const Block*>(weight.data)[index / kElements];
  const int i = static_cast<int>(index % kElements);
  Octet out;
  if constexpr (requires { decode(block, i, out, tables); }) {
    decode(block, i, out, tables);
  } else {
    decode(block, i, out);
  }
  return out;
}

// Columns [column, column + count) of a row, at most eight; the rest is 0. `column` is a multiple of eight; of
// quantised types octets are whole.
__device__ inline Octet load_octet(const WeightView& weight, std::int64_t row, std::int64_t column, int count,
                                   const Tables& tables) {
  const std::int64_t index = row * weight.row_stride + column;
  Octet out = {};
  switch (weight.dtype) {
    case DType::kQ8_0:
      return decode_block<codec::Q8_0, 32>(weight, index, tables);
    case DType::kQ4_0:
      return decode_block<codec::Q4_0, 32>(weight, index, tables);
    case DType::kQ4_1:
      return decode_block<codec::Q4_1, 32>(weight, index, tables);
    case DType::kQ5_0:
      return decode_block<codec::Q5_0, 32>(weight, index, tables);
    case DType::kQ5_1:
      return decode_block<codec::Q5_1, 32>(weight, index, tables);
    case DType::kQ2K:
      return decode_block<codec::Q2K, codec::kSuperBlock>(weight, index, tables);
    case DType::kQ3K:
      return decode_block<codec::Q3K, codec::kSuperBlock>(weight, index, tables);
    case DType::kQ4K:
      return decode_block<codec::Q4K, codec::kSuperBlock>(weight, index, tables);
    case DType::kQ5K:
      return decode_block<codec::Q5K, codec::kSuperBlock>(weight, index, tables);
    case DType::kQ6K:
      return decode_block<codec::Q6K, codec::kSuperBlock>(weight, index, tables);
    case DType::kIq4Nl:
      return decode_block<codec::Iq4Nl, 32>(weight, index, tables);
    case DType::kIq4Xs:
      return decode_block<codec::Iq4Xs, codec::kSuperBlock>(weight, index, tables);
    case DType::kNf4:
      decode_four_bit(weight, index, tables.nf4, out, tables);
      return out;
    case DType::kFp4:
      decode_four_bit(weight, index, tables.fp4, out, tables);
      return out;
    case DType::kI8: {
      const float scale = scale_at(weight, row, tables);
      for (int e = 0; e < count; ++e) out.v[e] = scaled(scale, static_cast<std::int8_t>(weight.data[index + e]));
      return out;
    }
    default:
#pragma unroll
      for (int e = 0; e < kOctet; ++e) {
        if (e < count) out.v[e] = load(weight.data, weight.dtype, index + e);
      }
      return out;
  }
}

__device__ inline int columns_of_octet(std::int64_t width, std::int64_t column) {
  const std::int64_t left = width - column;
  return left < kOctet ? static_cast<int>(left) : kOctet;
}

}  // namespace steadyflux::cuda
