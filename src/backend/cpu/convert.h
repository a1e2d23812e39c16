// Element type conversions of contiguous runs.
#pragma once

#include <cstddef>

#include "tensor/tensor.h"

namespace steadyflux::cpu {

// dst[i] = src[i] for `count` elements; from f32, bf16 or f16 to f32 or bf16, rounded to nearest even. No overlap.
void convert(const std::byte* src, DType from, std::byte* dst, DType to, std::size_t count);

// `count` elements as f32: `src` itself when it is f32 already, otherwise `buffer`, filled.
const float* widen(const std::byte* src, DType from, float* buffer, std::size_t count);

// A vector ([n]) or the row of a matrix as f32, written to `buffer`; nullptr when the tensor is empty.
const float* widen_vector(const Tensor& vector, float* buffer);

// The address of row `row` of a rank-2 or rank-3 tensor.
inline std::byte* row_address(const Tensor& tensor, std::int64_t row) {
  return tensor.data + bytes_of(tensor.dtype, row * tensor.row_stride());
}

}  // namespace steadyflux::cpu
