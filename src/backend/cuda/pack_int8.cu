// Rows of weights and activations as integers of 8 bits (ops::LinearPart).
#include "backend/cuda/decode.cuh"
#include "backend/cuda/operands.h"
#include "backend/cuda/reduce.cuh"
#include "base/checked.h"

namespace steadyflux::cuda {
namespace {

constexpr int kThreads = 256;
constexpr float kLargest = 127;

// Calls f(first column, columns that are the matrix's) for this thread's octets of a row; those past its end have none.
template <typename F>
__device__ void for_each_octet(std::int64_t columns, std::int64_t depth, const F& f) {
  for (std::int64_t column = std::int64_t{threadIdx.x} * kOctet; column < depth; column += kThreads * kOctet) {
    const int count = columns_of_octet(columns, column);
    f(column, count > 0 ? count : 0);
  }
}

__device__ float largest_magnitude(const WeightView& matrix, std::int64_t row, std::int64_t columns,
                                   const Tables& tables) {
  float largest = 0;
  for_each_octet(columns, columns, [&](std::int64_t column, int count) {
    const Octet octet = load_octet(matrix, row, column, count, tables);
#pragma unroll
    for (int e = 0; e < kOctet; ++e) largest = fmaxf(largest, fabsf(octet.v[e]));
  });
  return largest_over_block(largest);
}

struct Bytes {
  std::int8_t v[kOctet];
};

__device__ void store_bytes(const Int8Operand& operand, std::int64_t row, std::int64_t column, const Bytes& bytes) {
  std::uint32_t words[2] = {};
#pragma unroll
  for (int e = 0; e < kOctet; ++e) {
    words[e / 4] |= std::uint32_t{static_cast<std::uint8_t>(bytes.v[e])} << (e % 4 * 8);
  }
  reinterpret_cast<uint2*>(operand.data)[(row * operand.depth + column) / kOctet] = make_uint2(words[0], words[1]);
}

// One block for each row. Rows from `rows` on are zeros.
__global__ void pack_int8_rows(WeightView matrix, std::int64_t rows, std::int64_t columns, Tables tables,
                               Int8Operand operand) {
  const std::int64_t row = blockIdx.x;
  const bool stored = matrix.dtype == DType::kI8;
  float inverse = 0;
  float scale = 0;
  if (row < rows && stored) scale = scale_at(matrix, row, tables);
  if (row < rows && !stored) {
    const float magnitude = largest_magnitude(matrix, row, columns, tables);
    if (magnitude >= ops::kInt8Zero) {
      inverse = kLargest / magnitude;
      scale = magnitude / kLargest;
    }
  }
  for_each_octet(columns, operand.depth, [&](std::int64_t column, int count) {
    Bytes bytes = {};
    if (row < rows && stored) {
      const std::byte* const codes = matrix.data + row * matrix.row_stride + column;
      for (int e = 0; e < count; ++e) bytes.v[e] = static_cast<std::int8_t>(codes[e]);
    } else if (row < rows && count > 0 && inverse > 0) {
      const Octet octet = load_octet(matrix, row, column, count, tables);
#pragma unroll
      for (int e = 0; e < kOctet; ++e) {
        bytes.v[e] = static_cast<std::int8_t>(rintf(rounded_product(octet.v[e], inverse)));
      }
    }
    store_bytes(operand, row, column, bytes);
  });
  if (threadIdx.x == 0) operand.scales[row] = scale;
}

}  // namespace

void pack_int8(const WeightView& matrix, std::int64_t rows, std::int64_t rows_with_zeros, std::int64_t columns,
               const Tables& tables, const Int8Operand& operand, cudaStream_t stream) {
  launch(pack_int8_rows, dim3(static_cast<unsigned>(rows_with_zeros)), dim3(kThreads), kBlockResultBytes, stream,
         matrix, rows, columns, tables, operand);
}

}  // namespace steadyflux::cuda
