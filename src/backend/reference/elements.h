// Elements of a tensor as numbers, whatever their dtype.
#pragma once

#include <cstdint>

#include "base/bf16.h"
#include "base/error.h"
#include "base/half.h"
#include "tensor/tensor.h"

namespace steadyflux::reference {

inline double number(float value) { return value; }
inline double number(BFloat16 value) { return float_from_bf16(value); }
inline double number(Half value) { return float_from_half(value); }

// Calls f with the tensor's memory as float*, BFloat16* or Half*.
template <typename F>
auto with_elements(const Tensor& tensor, F&& f) {
  switch (tensor.dtype) {
    case DType::kF32:
      return f(tensor.as<float>());
    case DType::kBF16:
      return f(tensor.as<BFloat16>());
    case DType::kF16:
      return f(tensor.as<Half>());
    default:
      fail(ErrorCode::kInternal, "the reference backend has no arithmetic for ", dtype_name(tensor.dtype));
  }
}

// The element `index` elements after the first.
inline double load(const Tensor& tensor, std::int64_t index) {
  return with_elements(tensor, [index](const auto* elements) { return number(elements[index]); });
}
inline double load(const Tensor& tensor, std::int64_t row, std::int64_t column) {
  return load(tensor, row * tensor.row_stride() + column);
}

inline void assign(float& element, float value) { element = value; }
inline void assign(BFloat16& element, float value) { element = bf16_from_float(value); }
inline void assign(Half& element, float value) { element = half_from_float(value); }

// Rounds to f32, then to the tensor's dtype.
inline void store(const Tensor& tensor, std::int64_t index, double value) {
  with_elements(tensor, [=](auto* elements) { assign(elements[index], static_cast<float>(value)); });
}
inline void store(const Tensor& tensor, std::int64_t row, std::int64_t column, double value) {
  store(tensor, row * tensor.row_stride() + column, value);
}

// `count` elements of a tensor, `step` apart.
struct Run {
  const Tensor& tensor;
  std::int64_t begin = 0;
  std::int64_t step = 1;
};

// The sum of products of two runs, in double, first element first.
inline double dot(const Run& a, const Run& b, std::int64_t count) {
  return with_elements(a.tensor, [&](const auto* a_elements) {
    return with_elements(b.tensor, [&](const auto* b_elements) {
      double sum = 0;
      for (std::int64_t i = 0; i < count; ++i) {
        sum += number(a_elements[a.begin + i * a.step]) * number(b_elements[b.begin + i * b.step]);
      }
      return sum;
    });
  });
}

}  // namespace steadyflux::reference
