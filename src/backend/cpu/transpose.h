// Blocks of f32 turned over.
#pragma once

#include <cstdint>

namespace steadyflux::cpu {

// to[c * to_stride + r] = from[r * from_stride + c] for all r < rows, c < cols. No overlap.
void transpose(const float* from, std::int64_t from_stride, std::int64_t rows, std::int64_t cols, float* to,
               std::int64_t to_stride);

}  // namespace steadyflux::cpu
