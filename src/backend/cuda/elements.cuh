// Elements of tensors as numbers, one or four at a time; activation functions.
#pragma once

#include <cuda_fp16.h>

#include "backend/cuda/device.cuh"
#include "backend/cuda/view.h"
#include "ops/ops.h"

namespace steadyflux::cuda {

struct Quad {
  float v[kQuad];
};

inline constexpr int kOctet = 8;

struct Octet {
  float v[kOctet];
};

__device__ inline float float_of_bf16(std::uint16_t bits) { return __uint_as_float(std::uint32_t{bits} << 16); }
__device__ inline std::uint16_t bf16_of_float(float value) { return __bfloat16_as_ushort(__float2bfloat16_rn(value)); }
__device__ inline float float_of_half(std::uint16_t bits) { return __half2float(__ushort_as_half(bits)); }
__device__ inline float rounded_to_bf16(float value) { return float_of_bf16(bf16_of_float(value)); }

// Element `index` of memory that holds `dtype`.
__device__ inline float load(const std::byte* data, DType dtype, std::int64_t index) {
  if (dtype == DType::kF32) return reinterpret_cast<const float*>(data)[index];
  const std::uint16_t bits = reinterpret_cast<const std::uint16_t*>(data)[index];
  return dtype == DType::kBF16 ? float_of_bf16(bits) : float_of_half(bits);
}
__device__ inline float load(const View& view, std::int64_t row, std::int64_t column) {
  return load(view.data, view.dtype, row * view.row_stride + column);
}

// Rounds to the view's type, f32 or bf16.
__device__ inline void store(const View& view, std::int64_t row, std::int64_t column, float value) {
  const std::int64_t index = row * view.row_stride + column;
  if (view.dtype == DType::kF32) {
    reinterpret_cast<float*>(view.data)[index] = value;
  } else {
    reinterpret_cast<std::uint16_t*>(view.data)[index] = bf16_of_float(value);
  }
}

__device__ inline bool is_whole(const View& view, int count) { return view.whole_quads && count >= kQuad; }

// Columns [column, column + count) of a row, at most four; the rest is 0. `column` is a multiple of four.
__device__ inline Quad load_quad(const View& view, std::int64_t row, std::int64_t column, int count) {
  const std::int64_t index = row * view.row_stride + column;
  if (is_whole(view, count) && view.dtype == DType::kF32) {
    const float4 four = reinterpret_cast<const float4*>(view.data)[index / kQuad];
    return {{four.x, four.y, four.z, four.w}};
  }
  if (is_whole(view, count) && view.dtype == DType::kBF16) {
    const uint2 four = reinterpret_cast<const uint2*>(view.data)[index / kQuad];
    return {{__uint_as_float(four.x << 16), __uint_as_float(four.x & 0xFFFF0000u), __uint_as_float(four.y << 16),
             __uint_as_float(four.y & 0xFFFF0000u)}};
  }
  Quad quad = {};
#pragma unroll
  for (int i = 0; i < kQuad; ++i) {
    if (i < count) quad.v[i] = load(view.data, view.dtype, index + i);
  }
  return quad;
}

__device__ inline void store_quad(const View& view, std::int64_t row, std::int64_t column, int count,
                                  const Quad& quad) {
  const std::int64_t index = row * view.row_stride + column;
  if (is_whole(view, count) && view.dtype == DType::kF32) {
    reinterpret_cast<float4*>(view.data)[index / kQuad] = make_float4(quad.v[0], quad.v[1], quad.v[2], quad.v[3]);
  } else if (is_whole(view, count) && view.dtype == DType::kBF16) {
    reinterpret_cast<uint2*>(view.data)[index / kQuad] =
        make_uint2(bf16_pair(quad.v[0], quad.v[1]), bf16_pair(quad.v[2], quad.v[3]));
  } else {
#pragma unroll
    for (int i = 0; i < kQuad; ++i) {
      if (i < count) store(view, row, column + i, quad.v[i]);
    }
  }
}

// Eight numbers of bf16, the first in the lowest bits.
__device__ inline Octet octet_of_bf16(const uint4& pairs) {
  const std::uint32_t words[] = {pairs.x, pairs.y, pairs.z, pairs.w};
  Octet octet;
#pragma unroll
  for (int i = 0; i < kOctet / 2; ++i) {
    octet.v[2 * i] = __uint_as_float(words[i] << 16);
    octet.v[2 * i + 1] = __uint_as_float(words[i] & 0xFFFF0000u);
  }
  return octet;
}

// Columns of one row that the quad beginning at `column` has.
__device__ inline int columns_of_quad(std::int64_t width, std::int64_t column) {
  const std::int64_t left = width - column;
  return left < kQuad ? static_cast<int>(left) : kQuad;
}

// 1 / (1 + exp(-x)) without a difference that could cancel: exp overflows to infinity, whose reciprocal is 0.
__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

__device__ inline float activate(ops::Activation activation, float x) {
  switch (activation) {
    case ops::Activation::kNone:
      return x;
    case ops::Activation::kSilu:
      return x * sigmoid(x);
    case ops::Activation::kGeluTanh:
      // (1 + tanh(y)) / 2 is the sigmoid of 2 y; 1.5957691216 is 2 sqrt(2 / pi).
      return x * sigmoid(1.5957691216f * (x + 0.044715f * x * x * x));
    case ops::Activation::kGeluErf:
      return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
    case ops::Activation::kQuickGelu:
      return x * sigmoid(1.702f * x);
  }
  return x;
}

}  // namespace steadyflux::cuda
