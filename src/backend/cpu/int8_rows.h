// Rows as integers of 8 bits, and their sums of products: the kernels of ops::Compute::kInt8.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace steadyflux::cpu {

// How integers are held while they are multiplied: x as n + 128 in bytes and the weight in bytes, where the processor
// has dot products of bytes (VNNI); otherwise both in words of 16 bits, whose products add up without saturating.
enum class Int8Form : std::uint8_t { kBytes, kWords };

// A row of f32 or bf16.
struct FloatRow {
  const std::byte* data = nullptr;
  DType dtype = DType::kF32;

  FloatRow from(std::int64_t element) const { return {data + bytes_of(dtype, element), dtype}; }
};

// The scale of a row, and what brings it to integers; both 0 for a row of zeros (ops::kInt8Zero).
struct Int8Scale {
  float scale = 0;
  float inverse = 0;
};
Int8Scale int8_scale(FloatRow row, std::int64_t count);

// out[i] = round_half_even(row[i] * inverse), as ops::LinearPart defines it: of x in bytes, plus 128; of a weight in
// bytes, whose sum it returns; or in words.
void integers_of_x(FloatRow row, std::int64_t count, float inverse, std::uint8_t* out);
std::int32_t integers_of_weight(FloatRow row, std::int64_t count, float inverse, std::int8_t* out);
void words_of(FloatRow row, std::int64_t count, float inverse, std::int16_t* out);

// The same of integers that are stored.
std::int32_t sum_of(const std::int8_t* row, std::int64_t count);
void words_of(const std::int8_t* row, std::int64_t count, std::int16_t* out);

// y[m, n] (+)= x[m, depth] w[n, depth]^T, all without gaps, in exact sums. depth is a multiple of kWordsMultiple.
inline constexpr std::int64_t kWordsMultiple = 32;
void multiply_words(const std::int16_t* x, const std::int16_t* w, std::int64_t m, std::int64_t n, std::int64_t depth,
                    bool accumulate, std::int32_t* y);

// In place, and then f32: tile[r, c] = (tile[r, c] - corrections[c]) * (row_scales[r] * col_scales[c]).
void scale_sums(void* tile, std::int64_t rows, std::int64_t cols, const std::int32_t* corrections,
                const float* row_scales, const float* col_scales);

}  // namespace steadyflux::cpu
