#include "base/dtype.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <utility>

namespace steadyflux {
namespace {

constexpr std::array<std::pair<DType, std::string_view>, kNumDTypes> kNames = {{
    {DType::kF32, "f32"},      {DType::kF16, "f16"},   {DType::kBF16, "bf16"}, {DType::kF64, "f64"},
    {DType::kI8, "i8"},        {DType::kU8, "u8"},     {DType::kI32, "i32"},   {DType::kI64, "i64"},
    {DType::kBool, "bool"},    {DType::kQ8_0, "q8_0"}, {DType::kQ4_0, "q4_0"}, {DType::kQ4_1, "q4_1"},
    {DType::kQ5_0, "q5_0"},    {DType::kQ5_1, "q5_1"}, {DType::kQ2K, "q2_k"},  {DType::kQ3K, "q3_k"},
    {DType::kQ4K, "q4_k"},     {DType::kQ5K, "q5_k"},  {DType::kQ6K, "q6_k"},  {DType::kIq4Nl, "iq4_nl"},
    {DType::kIq4Xs, "iq4_xs"}, {DType::kNf4, "nf4"},   {DType::kFp4, "fp4"},
}};

}  // namespace

std::string_view dtype_name(DType dtype) {
  for (const auto& [value, name] : kNames) {
    if (value == dtype) return name;
  }
  return "?";
}

std::optional<DType> parse_dtype(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const auto& [value, known] : kNames) {
    if (known == lower) return value;
  }
  return std::nullopt;
}

}  // namespace steadyflux
