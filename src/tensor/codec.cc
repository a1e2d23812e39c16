#include "tensor/codec.h"

#include "base/bf16.h"
#include "base/error.h"
#include "tensor/block_decoders.h"

namespace steadyflux::codec {
namespace {

void expect_whole_blocks(DType type, std::int64_t count) {
  const std::int64_t block = block_shape(type).elements;
  ensure(count % block == 0, "expected whole blocks of ", block, " elements of ", dtype_name(type), ", got ", count);
}

template <typename Element, typename Widen>
void widen(const std::byte* elements, std::int64_t count, const Widen& widen_one, float* values) {
  const auto* from = reinterpret_cast<const Element*>(elements);
  for (std::int64_t i = 0; i < count; ++i) values[i] = widen_one(from[i]);
}

void decode_four_bit(const Tensor& matrix, std::int64_t first, std::int64_t count, float* values) {
  const std::int64_t block = block_shape(matrix.dtype).elements;
  for (std::int64_t i = 0; i < count; i += block) {
    const float scale = scale_at(matrix, (first + i) / block);
    decode(matrix.dtype, matrix.data + bytes_of(matrix.dtype, first + i), &scale, block, values + i);
  }
}

}  // namespace

void decode(DType type, const std::byte* blocks, std::int64_t count, float* values) {
  expect_whole_blocks(type, count);
  const bool known = with_block(type, [&]<typename Block>(const Block*) {
    const auto* from = reinterpret_cast<const Block*>(blocks);
    const std::int64_t elements = block_shape(type).elements;
    for (std::int64_t i = 0; i < count / elements; ++i) decode(from[i], values + i * elements);
    return true;
  });
  ensure(known, "no decoder of blocks of ", dtype_name(type));
}

float scale_at(const Tensor& weight, std::int64_t index) {
  const Scales& scales = weight.scales;
  const std::int64_t i = scales.first + index;
  if (scales.nested == nullptr) return reinterpret_cast<const float*>(scales.values)[i];
  const auto code = static_cast<std::size_t>(scales.values[i]);
  return nested_scale_codes()[code] * reinterpret_cast<const float*>(scales.nested)[i / Scales::kNestedBlock] +
         scales.offset;
}

void decode_row(const Tensor& matrix, std::int64_t row, std::int64_t column, std::int64_t count, float* values) {
  const std::int64_t first = row * matrix.row_stride() + column;
  expect_whole_blocks(matrix.dtype, first);
  expect_whole_blocks(matrix.dtype, count);
  const std::byte* from = matrix.data + bytes_of(matrix.dtype, first);
  switch (matrix.dtype) {
    case DType::kF32:
      return widen<float>(
          from, count, [](float x) { return x; }, values);
    case DType::kF16:
      return widen<Half>(from, count, float_from_half, values);
    case DType::kBF16:
      return widen<BFloat16>(from, count, float_from_bf16, values);
    case DType::kI8: {
      const float scale = scale_at(matrix, row);
      return widen<std::int8_t>(
          from, count, [=](std::int8_t x) { return static_cast<float>(x) * scale; }, values);
    }
    case DType::kNf4:
    case DType::kFp4:
      return decode_four_bit(matrix, first, count, values);
    default:
      return decode(matrix.dtype, from, count, values);
  }
}

}  // namespace steadyflux::codec
