#include "backend/reference/int8_row.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "backend/reference/elements.h"
#include "ops/ops.h"
#include "tensor/codec.h"

namespace steadyflux::reference {
namespace {

constexpr float kLargest = 127;

Int8Row stored_row(const Tensor& matrix, std::int64_t row) {
  const auto* integers = matrix.as<const std::int8_t>() + row * matrix.row_stride();
  return {{integers, integers + matrix.dim(1)}, codec::scale_at(matrix, row)};
}

}  // namespace

Int8Row int8_row(const Tensor& matrix, std::int64_t row) {
  if (matrix.dtype == DType::kI8) return stored_row(matrix, row);
  std::vector<float> values;
  float magnitude = 0;
  for (std::int64_t i = 0; i < matrix.dim(1); ++i) {
    values.push_back(static_cast<float>(load(matrix, row, i)));
    magnitude = std::max(magnitude, std::fabs(values.back()));
  }
  Int8Row result{std::vector<std::int32_t>(values.size()), 0};
  if (magnitude < ops::kInt8Zero) return result;
  const float inverse = kLargest / magnitude;
  for (std::size_t i = 0; i < values.size(); ++i) {
    result.integers[i] = static_cast<std::int32_t>(std::nearbyint(values[i] * inverse));
  }
  result.scale = magnitude / kLargest;
  return result;
}

std::int64_t int8_dot(const Int8Row& a, const Int8Row& b) {
  return std::inner_product(a.integers.begin(), a.integers.end(), b.integers.begin(), std::int64_t{0});
}

}  // namespace steadyflux::reference
