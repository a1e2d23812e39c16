// Rows of weights and activations as operands, and rows that are looked up.
#include "backend/cuda/decode.cuh"
#include "backend/cuda/operands.h"
#include "base/checked.h"

namespace steadyflux::cuda {
namespace {

constexpr unsigned kThreads = 256;

// Writes an octet to an operand's row, where it is aligned to 16 bytes.
__device__ void store_octet(const Operand& operand, std::int64_t row, std::int64_t column, const Octet& octet) {
  const std::int64_t index = row * operand.depth + column;
  if (operand.dtype == DType::kBF16) {
    reinterpret_cast<uint4*>(operand.data)[index / kOctet] =
        make_uint4(bf16_pair(octet.v[0], octet.v[1]), bf16_pair(octet.v[2], octet.v[3]),
                   bf16_pair(octet.v[4], octet.v[5]), bf16_pair(octet.v[6], octet.v[7]));
    return;
  }
  auto* const quads = reinterpret_cast<float4*>(operand.data) + index / kQuad;
  quads[0] = make_float4(octet.v[0], octet.v[1], octet.v[2], octet.v[3]);
  // A row of f32 may end in the middle of an octet.
  if (column + kQuad < operand.depth) quads[1] = make_float4(octet.v[4], octet.v[5], octet.v[6], octet.v[7]);
}

// One thread for each octet.
__global__ void pack_rows(WeightView matrix, std::int64_t rows, std::int64_t columns, Tables tables, Operand operand) {
  const std::int64_t octets = ceil_div(operand.depth, kOctet);
  const std::int64_t index = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const std::int64_t row = index / octets;
  if (row >= rows) return;
  const std::int64_t column = (index - row * octets) * kOctet;
  store_octet(operand, row, column, load_octet(matrix, row, column, columns_of_octet(columns, column), tables));
}

__global__ void embed_rows(WeightView table, std::int64_t vocabulary, const std::int32_t* ids, View positions,
                           Tables tables, View out, std::int64_t rows, std::int64_t width) {
  const std::int64_t octets = ceil_div(width, kOctet);
  const std::int64_t index = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const std::int64_t row = index / octets;
  if (row >= rows) return;
  const std::int64_t column = (index - row * octets) * kOctet;
  const int count = columns_of_octet(width, column);
  const std::int32_t id = ids[row];
  const bool known = id >= 0 && id < vocabulary;
  Octet octet = load_octet(table, known ? id : 0, column, count, tables);
#pragma unroll
  for (int e = 0; e < kOctet; ++e) {
    if (e >= count) continue;
    if (positions) octet.v[e] = rounded_sum(octet.v[e], load(positions, row, column + e));
    store(out, row, column + e, known ? octet.v[e] : __uint_as_float(0x7FC00000u));
  }
}

dim3 blocks_for(std::int64_t rows, std::int64_t columns) {
  return dim3(static_cast<unsigned>(ceil_div(rows * ceil_div(columns, kOctet), kThreads)));
}

}  // namespace

void pack(const WeightView& matrix, std::int64_t rows, std::int64_t columns, const Tables& tables,
          const Operand& operand, cudaStream_t stream) {
  launch(pack_rows, blocks_for(rows, operand.depth), dim3(kThreads), 0, stream, matrix, rows, columns, tables, operand);
}

void embed(const ops::EmbedRows& op, const Tables& tables, cudaStream_t stream) {
  launch(embed_rows, blocks_for(op.out.dim(0), op.out.dim(1)), dim3(kThreads), 0, stream, weight_view(op.table),
         op.table.dim(0), op.ids.as<std::int32_t>(), view_of(op.positions), tables, view_of(op.out), op.out.dim(0),
         op.out.dim(1));
}

}  // namespace steadyflux::cuda
