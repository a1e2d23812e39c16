// Scales, bias, activation, gate and residual over the sums of a product.
#include "backend/cuda/grid.cuh"
#include "backend/cuda/operands.h"

namespace steadyflux::cuda {
namespace {

__device__ Quad load_sums(const FloatSums& sums, std::int64_t row, std::int64_t column, int) {
  const float4 four = reinterpret_cast<const float4*>(sums.data)[(row * sums.stride + column) / kQuad];
  return {{four.x, four.y, four.z, four.w}};
}

__device__ Quad load_sums(const Int8Sums& sums, std::int64_t row, std::int64_t column, int count) {
  const int4 four = reinterpret_cast<const int4*>(sums.data)[(row * sums.stride + column) / kQuad];
  const int integers[kQuad] = {four.x, four.y, four.z, four.w};
  Quad quad = {};
#pragma unroll
  for (int i = 0; i < kQuad; ++i) {
    if (i >= count) continue;
    const float scale = rounded_product(sums.row_scales[row], sums.column_scales[column + i]);
    quad.v[i] = rounded_product(static_cast<float>(integers[i]), scale);
  }
  return quad;
}

template <typename Sums>
struct Finish {
  Sums sums;
  Epilogue epilogue;
  View out;

  __device__ void operator()(std::int64_t row, std::int64_t column, int count) const {
    Quad quad = load_sums(sums, row, column, count);
    if (epilogue.bias) {
      const Quad bias = load_quad(epilogue.bias, 0, column, count);
#pragma unroll
      for (int i = 0; i < kQuad; ++i) quad.v[i] += bias.v[i];
    }
#pragma unroll
    for (int i = 0; i < kQuad; ++i) quad.v[i] = activate(epilogue.activation, quad.v[i]);
    if (epilogue.accumulate) {
      const Quad before = load_quad(out, row, column, count);
      Quad gate = {{1, 1, 1, 1}};
      if (epilogue.gate) gate = load_quad(epilogue.gate, 0, column, count);
#pragma unroll
      for (int i = 0; i < kQuad; ++i) quad.v[i] = before.v[i] + gate.v[i] * quad.v[i];
    }
    store_quad(out, row, column, count, quad);
  }
};

}  // namespace

void finish(const FloatSums& sums, const Epilogue& epilogue, const View& out, std::int64_t rows, std::int64_t columns,
            cudaStream_t stream) {
  launch_on_quads(rows, columns, stream, Finish<FloatSums>{sums, epilogue, out});
}

void finish(const Int8Sums& sums, const Epilogue& epilogue, const View& out, std::int64_t rows, std::int64_t columns,
            cudaStream_t stream) {
  launch_on_quads(rows, columns, stream, Finish<Int8Sums>{sums, epilogue, out});
}

}  // namespace steadyflux::cuda
