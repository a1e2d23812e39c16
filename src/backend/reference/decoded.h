// Weights as the reference computes with them.
#pragma once

#include <vector>

#include "tensor/codec.h"

namespace steadyflux::reference {

// A matrix of weights: of i8 or a quantised type its values in f32, otherwise itself. Borrows the matrix.
class Decoded {
 public:
  explicit Decoded(const Tensor& matrix) : tensor_(matrix) {
    if (!is_quantised(matrix.dtype) && !has_scales_apart(matrix.dtype)) return;
    values_.resize(static_cast<std::size_t>(matrix.shape.num_elements()));
    tensor_ = Tensor(reinterpret_cast<std::byte*>(values_.data()), DType::kF32, matrix.shape);
    for (std::int64_t row = 0; row < matrix.dim(0); ++row) {
      codec::decode_row(matrix, row, 0, matrix.dim(1), values_.data() + row * matrix.dim(1));
    }
  }
  Decoded(const Decoded&) = delete;
  Decoded& operator=(const Decoded&) = delete;

  const Tensor& tensor() const { return tensor_; }

 private:
  std::vector<float> values_;
  Tensor tensor_;
};

}  // namespace steadyflux::reference
