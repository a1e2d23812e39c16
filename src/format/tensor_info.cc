#include "format/tensor_info.h"

#include <algorithm>
#include <tuple>

#include "base/checked.h"

namespace steadyflux {

std::int64_t row_length(std::span<const std::int64_t> shape) { return shape.empty() ? 1 : shape.back(); }

std::optional<std::uint64_t> checked_bytes(DType dtype, std::span<const std::int64_t> shape) {
  if (std::any_of(shape.begin(), shape.end(), [](std::int64_t extent) { return extent < 0; })) return std::nullopt;
  const BlockShape block = block_shape(dtype);
  auto num_bytes = checked_mul(static_cast<std::uint64_t>(row_length(shape) / block.elements), block.bytes);
  for (std::size_t i = 0; i + 1 < shape.size(); ++i) {
    if (num_bytes) num_bytes = checked_mul(*num_bytes, static_cast<std::uint64_t>(shape[i]));
  }
  return num_bytes;
}

void sort_by_place(std::vector<TensorInfo>& tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::tie(a.offset, a.num_bytes, a.name) < std::tie(b.offset, b.num_bytes, b.name);
  });
}

}  // namespace steadyflux
