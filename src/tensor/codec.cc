#include "tensor/codec.h"

#include "base/bf16.h"
#include "tensor/block_codecs.h"
#include "tensor/finite.h"

namespace steadyflux::codec {
namespace {

// Calls f with a null pointer to the type's block; false if it has none with its scales inside.
template <typename F>
bool with_block(DType type, const F& f) {
  switch (type) {
    case DType::kQ8_0:
      return f(static_cast<Q8_0*>(nullptr));
    case DType::kQ4_0:
      return f(static_cast<Q4_0*>(nullptr));
    case DType::kQ4_1:
      return f(static_cast<Q4_1*>(nullptr));
    case DType::kQ5_0:
      return f(static_cast<Q5_0*>(nullptr));
    case DType::kQ5_1:
      return f(static_cast<Q5_1*>(nullptr));
    case DType::kQ2K:
      return f(static_cast<Q2K*>(nullptr));
    case DType::kQ3K:
      return f(static_cast<Q3K*>(nullptr));
    case DType::kQ4K:
      return f(static_cast<Q4K*>(nullptr));
    case DType::kQ5K:
      return f(static_cast<Q5K*>(nullptr));
    case DType::kQ6K:
      return f(static_cast<Q6K*>(nullptr));
    case DType::kIq4Nl:
      return f(static_cast<Iq4Nl*>(nullptr));
    case DType::kIq4Xs:
      return f(static_cast<Iq4Xs*>(nullptr));
    default:
      return false;
  }
}

template <typename Block>
concept Encodable = requires(const float* values, Block& block) {
  encode(values, block);
};

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
  const bool known = with_block(type, [&]<typename Block>(Block*) {
    const auto* from = reinterpret_cast<const Block*>(blocks);
    const std::int64_t elements = block_shape(type).elements;
    for (std::int64_t i = 0; i < count / elements; ++i) decode(from[i], values + i * elements);
    return true;
  });
  ensure(known, "no decoder of blocks of ", dtype_name(type));
}

bool can_encode(DType type) {
  return with_block(type, []<typename Block>(Block*) { return Encodable<Block>; });
}

void encode(DType type, const float* values, std::int64_t count, std::byte* blocks) {
  expect_whole_blocks(type, count);
  expect_finite(values, count);
  const bool known = with_block(type, [&]<typename Block>(Block*) {
    if constexpr (Encodable<Block>) {
      auto* to = reinterpret_cast<Block*>(blocks);
      const std::int64_t elements = block_shape(type).elements;
      for (std::int64_t i = 0; i < count / elements; ++i) encode(values + i * elements, to[i]);
    }
    return Encodable<Block>;
  });
  ensure(known, "no encoder of blocks of ", dtype_name(type));
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
