// Rows of a matrix as integers of 8 bits.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace steadyflux::reference {

// row[k] = integers[k] * scale, about.
struct Int8Row {
  std::vector<std::int32_t> integers;
  float scale = 0;
};

// Row `row` of an input or a weight, as ops::LinearPart defines it for Compute::kInt8.
Int8Row int8_row(const Tensor& matrix, std::int64_t row);

// The sum of the products of two rows' integers.
std::int64_t int8_dot(const Int8Row& a, const Int8Row& b);

}  // namespace steadyflux::reference
