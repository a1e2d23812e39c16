#include "backend/cpu/linear_tile.h"

#include "backend/cpu/convert.h"
#include "backend/cpu/epilogue.h"

namespace steadyflux::cpu {
namespace {

const float* tile_vector(const Tensor& vector, Block cols, float* buffer) {
  if (vector.empty()) return nullptr;
  Tensor part = vector;
  part.data += static_cast<std::size_t>(cols.begin) * dtype_bytes(vector.dtype);
  part.shape = {cols.count};
  return widen_vector(part, buffer);
}

}  // namespace

void finish_tile(const ops::LinearPart& part, Block rows, Block cols, const float* sums, float* vectors) {
  const Epilogue epilogue{.bias = tile_vector(part.linear.bias, cols, vectors),
                          .gate = tile_vector(part.gate, cols, vectors + cols.count),
                          .activation = part.activation,
                          .accumulate = part.accumulate};
  std::byte* out =
      row_address(part.out, rows.begin) + static_cast<std::size_t>(cols.begin) * dtype_bytes(part.out.dtype);
  store_tile(sums, cols.count, rows.count, cols.count, epilogue, out, part.out.dtype, part.out.row_stride());
}

}  // namespace steadyflux::cpu
