// The constants of GGUF, and the numbers that it gives to the types of values and tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/dtype.h"

namespace steadyflux {

inline constexpr std::size_t kGgufMaxRank = 4;
// Of the tensors' data, unless the metadata say another.
inline constexpr std::uint64_t kGgufAlignment = 32;

enum class GgufType : std::uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

// Bytes of a value; 0 for strings and arrays, whose values say it themselves, and for numbers of no type.
std::uint64_t gguf_value_bytes(GgufType type);

// The element type of tensors with this number; nothing for types that this engine cannot use.
std::optional<DType> dtype_of_gguf(std::uint32_t type);

// The inverse; nothing for nf4, fp4, u8 and bool, which GGUF does not have.
std::optional<std::uint32_t> gguf_of_dtype(DType dtype);

// What ggml calls the type, "IQ2_XXS"; empty for a number that none has.
std::string_view gguf_type_name(std::uint32_t type);

}  // namespace steadyflux
