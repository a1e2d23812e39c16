// Kernels around matrix products: what makes operands of tensors, and outputs of products.
//
// An operand is a matrix with rows of whole 16-byte units: what cuBLASLt multiplies fastest.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "backend/cuda/tables.h"
#include "backend/cuda/view.h"
#include "ops/ops.h"

namespace steadyflux::cuda {

// Rows of `depth` elements, f32 or bf16, one after another. `depth` is a multiple of a 16-byte unit.
struct Operand {
  std::byte* data = nullptr;
  std::int64_t depth = 0;
  DType dtype = DType::kF32;
};

// The first `rows` rows and `columns` columns of a matrix of any type that a weight may have, rounded once; the columns
// above, up to the operand's depth, are 0.
void pack(const WeightView& matrix, std::int64_t rows, std::int64_t columns, const Tables& tables,
          const Operand& operand, cudaStream_t stream);

// Integers of 8 bits as Operand, depth a multiple of 16, and what they stand for: element = integer * scales[row].
struct Int8Operand {
  std::byte* data = nullptr;
  std::int64_t depth = 0;
  float* scales = nullptr;
};

// The same as integers, made as ops::LinearPart says. Rows from `rows` on, up to `rows_with_zeros`, and columns up to
// the operand's depth are 0.
void pack_int8(const WeightView& matrix, std::int64_t rows, std::int64_t rows_with_zeros, std::int64_t columns,
               const Tables& tables, const Int8Operand& operand, cudaStream_t stream);

// The weight of a convolution, one row for each of its output channels: element (ky * kernel + kx) * in_channels + c.
void pack_filter(const Tensor& weight, const Operand& operand, cudaStream_t stream);

// The windows of output pixels [first, first + count), counted in row-major order, as rows in the order of pack_filter;
// those past the last pixel are 0.
void pack_windows(const ops::Conv2d& op, std::int64_t first, std::int64_t count, const Operand& operand,
                  cudaStream_t stream);

// The sums of a product, rows `stride` apart, a multiple of four; data is aligned to 16 bytes.
struct FloatSums {
  const float* data = nullptr;
  std::int64_t stride = 0;
};

// Of integers, with the scales that make them numbers: sum * (row_scales[row] * column_scales[column]).
struct Int8Sums {
  const std::int32_t* data = nullptr;
  std::int64_t stride = 0;
  const float* row_scales = nullptr;
  const float* column_scales = nullptr;
};

// What becomes of sums.
struct Epilogue {
  View bias = {};  // one row, optional
  ops::Activation activation = ops::Activation::kNone;
  View gate = {};  // one row, optional
  bool accumulate = false;
};

// out[r, c] = epilogue(sums[r, c]) as ops::LinearPart has it.
void finish(const FloatSums& sums, const Epilogue& epilogue, const View& out, std::int64_t rows, std::int64_t columns,
            cudaStream_t stream);
void finish(const Int8Sums& sums, const Epilogue& epilogue, const View& out, std::int64_t rows, std::int64_t columns,
            cudaStream_t stream);

// out[i] = table[ids[i]] (+ positions[i]); a row whose id is outside the table is NaN, since nobody waits to be told.
void embed(const ops::EmbedRows& op, const Tables& tables, cudaStream_t stream);

}  // namespace steadyflux::cuda
