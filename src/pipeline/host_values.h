// Host vectors of f32 to and from the bytes of f32 or bf16 tensors.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "backend/backend.h"

namespace steadyflux {

// Rounds each value to `dtype` (f32 or bf16); `out` has room for exactly all of them.
void store_values(std::span<const float> values, DType dtype, std::span<std::byte> out);

// The inverse.
std::vector<float> load_values(std::span<const std::byte> bytes, DType dtype);

void upload_values(Backend& backend, std::span<const float> values, const Tensor& tensor);

}  // namespace steadyflux
