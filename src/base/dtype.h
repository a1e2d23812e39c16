// Element types of tensors, their sizes and names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace steadyflux {

enum class DType : std::uint8_t { kF32, kF16, kBF16, kF64, kI8, kU8, kI32, kI64, kBool };

// Size of one element in bytes.
constexpr std::size_t dtype_bytes(DType dtype) {
  switch (dtype) {
    case DType::kF64:
    case DType::kI64:
      return 8;
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kF16:
    case DType::kBF16:
      return 2;
    case DType::kI8:
    case DType::kU8:
    case DType::kBool:
      return 1;
  }
  return 0;
}

// "f32", "bf16", …: the spelling used in flags, logs and JSON.
std::string_view dtype_name(DType dtype);

// The inverse of dtype_name, also accepting the upper-case spelling of safetensors headers; nothing if unknown.
std::optional<DType> parse_dtype(std::string_view name);

constexpr bool is_floating(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 || dtype == DType::kF64;
}

}  // namespace steadyflux
