// Element types of tensors, their sizes and names.
//
// A quantised type holds its elements in blocks: so many elements in so many bytes, laid one after another along a row.
// The types of GGUF (q8_0 … iq4_xs) have their scales inside the blocks; nf4 and fp4 (bitsandbytes) have codes alone,
// and their scales lie apart (Tensor::scales). An i8 weight has one scale a row, apart too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace steadyflux {

enum class DType : std::uint8_t {
  kF32,
  kF16,
  kBF16,
  kF64,
  kI8,
  kU8,
  kI32,
  kI64,
  kBool,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ2K,
  kQ3K,
  kQ4K,
  kQ5K,
  kQ6K,
  kIq4Nl,
  kIq4Xs,
  kNf4,
  kFp4,
};
inline constexpr std::size_t kNumDTypes = 23;

// The least part of a row that a type can be cut into. A type that is not quantised has blocks of one element.
struct BlockShape {
  std::int64_t elements = 1;
  std::size_t bytes = 0;
};

constexpr BlockShape block_shape(DType dtype) {
  switch (dtype) {
    case DType::kF64:
    case DType::kI64:
      return {1, 8};
    case DType::kF32:
    case DType::kI32:
      return {1, 4};
    case DType::kF16:
    case DType::kBF16:
      return {1, 2};
    case DType::kI8:
    case DType::kU8:
    case DType::kBool:
      return {1, 1};
    case DType::kQ8_0:
      return {32, 34};
    case DType::kQ4_0:
    case DType::kIq4Nl:
      return {32, 18};
    case DType::kQ4_1:
      return {32, 20};
    case DType::kQ5_0:
      return {32, 22};
    case DType::kQ5_1:
      return {32, 24};
    case DType::kQ2K:
      return {256, 84};
    case DType::kQ3K:
      return {256, 110};
    case DType::kQ4K:
      return {256, 144};
    case DType::kQ5K:
      return {256, 176};
    case DType::kQ6K:
      return {256, 210};
    case DType::kIq4Xs:
      return {256, 136};
    case DType::kNf4:
    case DType::kFp4:
      return {64, 32};
  }
  return {};
}

constexpr bool is_quantised(DType dtype) { return block_shape(dtype).elements > 1; }

// Whether a weight of this type needs Tensor::scales.
constexpr bool has_scales_apart(DType dtype) {
  return dtype == DType::kI8 || dtype == DType::kNf4 || dtype == DType::kFp4;
}

// Scales that a row of so many elements, whole blocks, has apart.
constexpr std::int64_t scales_per_row(DType dtype, std::int64_t row_length) {
  if (!has_scales_apart(dtype)) return 0;
  return dtype == DType::kI8 ? 1 : row_length / block_shape(dtype).elements;
}

// Size of one element in bytes; of a quantised type, of one block.
constexpr std::size_t dtype_bytes(DType dtype) { return block_shape(dtype).bytes; }

// Bytes of `count` elements that follow each other, a whole number of blocks.
constexpr std::size_t bytes_of(DType dtype, std::int64_t count) {
  const BlockShape block = block_shape(dtype);
  return static_cast<std::size_t>(count / block.elements) * block.bytes;
}

// "f32", "bf16", …: the spelling used in flags, logs and JSON.
std::string_view dtype_name(DType dtype);

// The inverse of dtype_name, also accepting the upper-case spelling of safetensors headers; nothing if unknown.
std::optional<DType> parse_dtype(std::string_view name);

constexpr bool is_floating(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF64;
}

}  // namespace steadyflux
