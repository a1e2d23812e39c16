// What the operations of a CUDA backend share.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "backend/cuda/products.h"
#include "backend/cuda/tables.h"

namespace steadyflux::cuda {

// Borrows the stream and the tables' memory. Thread rule: one thread.
struct Context {
  cudaStream_t stream = nullptr;
  int num_multiprocessors = 0;
  bool is_hopper = false;  // compute capability 9.0
  Tables tables;
  Products products;
};

// Where 16 bytes begin in a row of elements.
constexpr std::int64_t unit_elements(DType dtype) { return 16 / static_cast<std::int64_t>(dtype_bytes(dtype)); }

constexpr std::int64_t round_up(std::int64_t value, std::int64_t step) { return (value + step - 1) / step * step; }

// The type in which activations of `dtype` are multiplied.
constexpr DType operand_dtype(DType dtype) { return dtype == DType::kBF16 ? DType::kBF16 : DType::kF32; }

}  // namespace steadyflux::cuda
