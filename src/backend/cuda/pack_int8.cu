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

__device__ Bytes rounded(const Octet& octet, float inverse) {
  Bytes bytes;
#pragma unroll
  for (int e = 0; e < kOctet; ++e) {
    bytes.v[e] = static_cast<std::int8_t>(rintf(rounded_product(octet.v[e], inverse)));
  }
  return bytes;
}

__device__ void store_bytes(const Int8Operand& operand, std::int64_t row, std::int64_t column, const Bytes& bytes) {
  std::uint32_t words[2] = {};
#pragma unroll
  for (int e = 0; e < kOctet; ++e) {
    words[e / 4] |= std::uint32_t{static_cast<std::uint8_t>(bytes.v[e])} << (e % 4 * 8);
  }
  reinterpret_cast<uint2*>(operand.data)[(row * operand.depth + column) / kOctet] = make_uint2(words[0], words[1]);
}

// What a row's largest magnitude makes of it; zeros where it is next to none.
struct RowScale {
  float scale = 0;
  float inverse = 0;
};

__device__ RowScale scale_of(float magnitude) {
  if (!(magnitude >= ops::kInt8Zero)) return {};
  return {magnitude / kLargest, kLargest / magnitude};
}

// One block for each row. Rows from `rows` on are zeros.
__global__ void pack_int8_rows(WeightView matrix, std::int64_t rows, std::int64_t columns, Tables tables,
                               Int8Operand operand) {
  const std::int64_t row = blockIdx.x;
  const bool stored = matrix.dtype == DType::kI8;
  RowScale scale;
  if (row < rows && stored) scale.scale = scale_at(matrix, row, tables);
  if (row < rows && !stored) scale = scale_of(largest_magnitude(matrix, row, columns, tables));
  for_each_octet(columns, operand.depth, [&](std::int64_t column, int count) {
    Bytes bytes = {};
    if (row < rows && stored) {
      const std::byte* const codes = matrix.data + row * matrix.row_stride + column;
      for (int e = 0; e < count; ++e) bytes.v[e] = static_cast<std::int8_t>(codes[e]);
    } else if (row < rows && count > 0 && scale.inverse > 0) {
      bytes = rounded(load_octet(matrix, row, column, count, tables), scale.inverse);
    }
    store_bytes(operand, row, column, bytes);
  });
  if (threadIdx.x == 0) operand.scales[row] = scale.scale;
}

// The same of bf16 in whole octets, which the threads hold while the largest is looked for: each is read once. A thread
// has at most kOctets.
constexpr int kHoldingThreads = 128;

template <int kOctets>
__global__ void __launch_bounds__(kHoldingThreads)
    pack_bf16_rows(WeightView matrix, std::int64_t rows, std::int64_t columns, Int8Operand operand) {
  const std::int64_t row = blockIdx.x;
  const auto column_of = [](int i) { return (i * kHoldingThreads + static_cast<int>(threadIdx.x)) * kOctet; };
  uint4 octets[kOctets] = {};
  float largest = 0;
  if (row < rows) {
    const auto* const from = reinterpret_cast<const uint4*>(matrix.data) + row * matrix.row_stride / kOctet;
#pragma unroll
    for (int i = 0; i < kOctets; ++i) {
      if (column_of(i) < columns) octets[i] = from[column_of(i) / kOctet];
    }
#pragma unroll
    for (int i = 0; i < kOctets; ++i) {
      const Octet octet = octet_of_bf16(octets[i]);
#pragma unroll
      for (int e = 0; e < kOctet; ++e) largest = fmaxf(largest, fabsf(octet.v[e]));
    }
  }
  const RowScale scale = scale_of(largest_over_block(largest));
#pragma unroll
  for (int i = 0; i < kOctets; ++i) {
    if (column_of(i) >= operand.depth) continue;
    const Bytes bytes = scale.inverse > 0 ? rounded(octet_of_bf16(octets[i]), scale.inverse) : Bytes{};
    store_bytes(operand, row, column_of(i), bytes);
  }
  if (threadIdx.x == 0) operand.scales[row] = scale.scale;
}

bool is_whole_bf16(const WeightView& matrix, std::int64_t columns) {
  return matrix.dtype == DType::kBF16 && reinterpret_cast<std::uintptr_t>(matrix.data) % 16 == 0 &&
         matrix.row_stride % kOctet == 0 && columns % kOctet == 0;
}

// The columns that threads with so many octets hold.
constexpr std::int64_t held_columns(int octets) { return std::int64_t{kHoldingThreads} * octets * kOctet; }

}  // namespace

void pack_int8(const WeightView& matrix, std::int64_t rows, std::int64_t rows_with_zeros, std::int64_t columns,
               const Tables& tables, const Int8Operand& operand, cudaStream_t stream) {
  constexpr int kFew = 4;
  constexpr int kMany = 16;
  const dim3 blocks(static_cast<unsigned>(rows_with_zeros));
  if (!is_whole_bf16(matrix, columns) || operand.depth > held_columns(kMany)) {
    launch(pack_int8_rows, blocks, dim3(kThreads), kBlockResultBytes, stream, matrix, rows, columns, tables, operand);
    return;
  }
  const auto kernel = operand.depth <= held_columns(kFew) ? pack_bf16_rows<kFew> : pack_bf16_rows<kMany>;
  launch(kernel, blocks, dim3(kHoldingThreads), kBlockResultBytes, stream, matrix, rows, columns, operand);
}

}  // namespace steadyflux::cuda
