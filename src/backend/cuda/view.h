// What kernels see of tensors: an address, a type and a distance between rows.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/tensor.h"

namespace steadyflux::cuda {

// Consecutive elements that one thread reads or writes at once, where the memory allows it.
inline constexpr int kQuad = 4;

// A matrix of activations, or of what may be taken for one: elements of f32, f16 or bf16, `row_stride` apart from one
// row to the next. Passed to kernels by value.
struct View {
  std::byte* data = nullptr;
  std::int64_t row_stride = 0;
  DType dtype = DType::kF32;
  bool whole_quads = false;  // every fourth element of every row is aligned to the size of four

  constexpr explicit operator bool() const { return data != nullptr; }
};

// The rows of a tensor of rank 2 or 3, or a vector as one row.
inline View view_of(const Tensor& tensor) {
  if (tensor.empty()) return {};
  const std::int64_t row_stride = tensor.rank() == 1 ? 0 : tensor.row_stride();
  const auto quad_bytes = kQuad * dtype_bytes(tensor.dtype);
  return {tensor.data, row_stride, tensor.dtype,
          row_stride % kQuad == 0 && reinterpret_cast<std::uintptr_t>(tensor.data) % quad_bytes == 0};
}

// A weight of any type.
struct WeightView {
  const std::byte* data = nullptr;
  std::int64_t row_stride = 0;  // elements
  DType dtype = DType::kF32;
  Scales scales;
};

inline WeightView weight_view(const Tensor& tensor) {
  return {tensor.data, tensor.row_stride(), tensor.dtype, tensor.scales};
}

}  // namespace steadyflux::cuda
