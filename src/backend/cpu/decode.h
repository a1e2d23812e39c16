// Weights of every type to the type they are multiplied in, with the instruction set's vectors.
#pragma once

#include <cstddef>

#include "tensor/tensor.h"

namespace steadyflux::cpu {

// Elements [column, column + count) of a row of a matrix to `out`, as f32 or bf16; of a quantised type, whole blocks.
// The f32 values have the bits of codec::decode_row; the bf16 values are these, rounded to nearest even. No overlap.
void decode_run(const Tensor& matrix, std::int64_t row, std::int64_t column, std::int64_t count, std::byte* out,
                DType to);

}  // namespace steadyflux::cpu
