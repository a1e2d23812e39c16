#include "backend/cpu/int8_rows.h"

#include <algorithm>
#include <cmath>

#include "base/bf16.h"
#include "ops/ops.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/int8_rows.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "backend/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace steadyflux::cpu::HWY_NAMESPACE {
namespace {

using Words = hn::ScalableTag<std::int16_t>;
using Sums = hn::RepartitionToWide<Words>;

// Four running vectors, so that none waits for itself.
float magnitude_f32(const float* row, std::size_t count) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  auto largest0 = hn::Zero(d);
  auto largest1 = hn::Zero(d);
  auto largest2 = hn::Zero(d);
  auto largest3 = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    largest0 = hn::Max(largest0, hn::Abs(hn::LoadU(d, row + i)));
    largest1 = hn::Max(largest1, hn::Abs(hn::LoadU(d, row + i + lanes)));
    largest2 = hn::Max(largest2, hn::Abs(hn::LoadU(d, row + i + 2 * lanes)));
    largest3 = hn::Max(largest3, hn::Abs(hn::LoadU(d, row + i + 3 * lanes)));
  }
  const auto largest = hn::Max(hn::Max(largest0, largest1), hn::Max(largest2, largest3));
  float result = hn::GetLane(hn::MaxOfLanes(d, largest));
  for (; i < count; ++i) result = std::max(result, std::fabs(row[i]));
  return result;
}

// Without the sign, bf16 numbers are in the order of their bits.
float magnitude_bf16(const std::uint16_t* row, std::size_t count) {
  const hn::ScalableTag<std::uint16_t> d;
  const std::size_t lanes = hn::Lanes(d);
  const auto no_sign = hn::Set(d, std::uint16_t{0x7FFF});
  auto largest0 = hn::Zero(d);
  auto largest1 = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    largest0 = hn::Max(largest0, hn::And(hn::LoadU(d, row + i), no_sign));
    largest1 = hn::Max(largest1, hn::And(hn::LoadU(d, row + i + lanes), no_sign));
  }
  HWY_ALIGN std::uint16_t largest[hn::MaxLanes(d)];
  hn::Store(hn::Max(largest0, largest1), d, largest);
  std::uint16_t bits = *std::max_element(largest, largest + lanes);
  for (; i < count; ++i) bits = std::max(bits, static_cast<std::uint16_t>(row[i] & 0x7FFF));
  return float_from_bf16({bits});
}

// Elements [i, i + L) of a row as integers of 32 bits.
template <class D, typename Element>
HWY_INLINE hn::Vec<hn::RebindToSigned<D>> integers_at(D d, const Element* row, std::size_t i, float inverse) {
  return hn::NearestInt(hn::Mul(load_element(d, row + i), hn::Set(d, inverse)));
}

template <typename Element>
HWY_INLINE void x_bytes(const Element* row, std::size_t count, float inverse, std::uint8_t* out) {
  for_lanes(count, [=](auto d, std::size_t i) HWY_ATTR {
    const hn::RebindToSigned<decltype(d)> di;
    const hn::Rebind<std::uint8_t, decltype(d)> bytes;
    const auto shifted = hn::Add(integers_at(d, row, i, inverse), hn::Set(di, 128));
    hn::StoreU(hn::DemoteTo(bytes, shifted), bytes, out + i);
  });
}

template <typename Element>
HWY_INLINE std::int32_t weight_bytes(const Element* row, std::size_t count, float inverse, std::int8_t* out) {
  const hn::RebindToSigned<Floats> di;
  auto sum = hn::Zero(di);
  std::int32_t tail = 0;
  for_lanes(count, [&](auto d, std::size_t i) HWY_ATTR {
    const hn::Rebind<std::int8_t, decltype(d)> bytes;
    const auto integers = integers_at(d, row, i, inverse);
    hn::StoreU(hn::DemoteTo(bytes, integers), bytes, out + i);
    if constexpr (std::is_same_v<decltype(d), Floats>) {
      sum = hn::Add(sum, integers);
    } else {
      tail += hn::GetLane(integers);
    }
  });
  return tail + hn::GetLane(hn::SumOfLanes(di, sum));
}

template <typename Element>
HWY_INLINE void words(const Element* row, std::size_t count, float inverse, std::int16_t* out) {
  for_lanes(count, [=](auto d, std::size_t i) HWY_ATTR {
    const hn::Rebind<std::int16_t, decltype(d)> words;
    hn::StoreU(hn::DemoteTo(words, integers_at(d, row, i, inverse)), words, out + i);
  });
}

void x_bytes_f32(const float* row, std::size_t count, float inverse, std::uint8_t* out) {
  x_bytes(row, count, inverse, out);
}
void x_bytes_bf16(const std::uint16_t* row, std::size_t count, float inverse, std::uint8_t* out) {
  x_bytes(row, count, inverse, out);
}
std::int32_t weight_bytes_f32(const float* row, std::size_t count, float inverse, std::int8_t* out) {
  return weight_bytes(row, count, inverse, out);
}
std::int32_t weight_bytes_bf16(const std::uint16_t* row, std::size_t count, float inverse, std::int8_t* out) {
  return weight_bytes(row, count, inverse, out);
}
void words_f32(const float* row, std::size_t count, float inverse, std::int16_t* out) {
  words(row, count, inverse, out);
}
void words_bf16(const std::uint16_t* row, std::size_t count, float inverse, std::int16_t* out) {
  words(row, count, inverse, out);
}

// Adds the products of a vector of x with four rows of the weight.
struct FourSums {
  hn::Vec<Sums> a, b, c, d;
  hn::Vec<Sums> odd_a, odd_b, odd_c, odd_d;  // for the instruction sets that sum in two halves

  HWY_INLINE void clear() {
    const Sums sums;
    a = b = c = d = odd_a = odd_b = odd_c = odd_d = hn::Zero(sums);
  }
  HWY_INLINE void add(hn::Vec<Words> x, hn::Vec<Words> w0, hn::Vec<Words> w1, hn::Vec<Words> w2, hn::Vec<Words> w3) {
    const Sums sums;
    a = hn::ReorderWidenMulAccumulate(sums, x, w0, a, odd_a);
    b = hn::ReorderWidenMulAccumulate(sums, x, w1, b, odd_b);
    c = hn::ReorderWidenMulAccumulate(sums, x, w2, c, odd_c);
    d = hn::ReorderWidenMulAccumulate(sums, x, w3, d, odd_d);
  }
  HWY_INLINE void store(std::size_t count, bool accumulate, std::int32_t* y) const {
    const Sums sums;
    const std::int32_t all[4] = {
        hn::GetLane(hn::SumOfLanes(sums, hn::Add(a, odd_a))), hn::GetLane(hn::SumOfLanes(sums, hn::Add(b, odd_b))),
        hn::GetLane(hn::SumOfLanes(sums, hn::Add(c, odd_c))), hn::GetLane(hn::SumOfLanes(sums, hn::Add(d, odd_d)))};
    for (std::size_t i = 0; i < count; ++i) y[i] = (accumulate ? y[i] : 0) + all[i];
  }
};

// Two rows of x with four of the weight at a time: four of w stay in the innermost cache while x passes by. Missing
// rows repeat the last one.
void words_product(const std::int16_t* x, const std::int16_t* w, std::size_t m, std::size_t n, std::size_t depth,
                   bool accumulate, std::int32_t* y) {
  const Words words;
  const std::size_t lanes = hn::Lanes(words);
  for (std::size_t col = 0; col < n; col += 4) {
    const std::size_t cols = std::min<std::size_t>(4, n - col);
    const std::int16_t* w0 = w + col * depth;
    const std::int16_t* w1 = w0 + std::min<std::size_t>(1, cols - 1) * depth;
    const std::int16_t* w2 = w0 + std::min<std::size_t>(2, cols - 1) * depth;
    const std::int16_t* w3 = w0 + (cols - 1) * depth;
    for (std::size_t row = 0; row < m; row += 2) {
      const bool pair = row + 1 < m;
      const std::int16_t* x0 = x + row * depth;
      const std::int16_t* x1 = pair ? x0 + depth : x0;
      FourSums first;
      FourSums second;
      first.clear();
      second.clear();
      for (std::size_t k = 0; k < depth; k += lanes) {
        const auto a = hn::LoadU(words, w0 + k);
        const auto b = hn::LoadU(words, w1 + k);
        const auto c = hn::LoadU(words, w2 + k);
        const auto d = hn::LoadU(words, w3 + k);
        first.add(hn::LoadU(words, x0 + k), a, b, c, d);
        second.add(hn::LoadU(words, x1 + k), a, b, c, d);
      }
      first.store(cols, accumulate, y + row * n + col);
      if (pair) second.store(cols, accumulate, y + (row + 1) * n + col);
    }
  }
}

void to_scaled_floats(void* tile, std::size_t rows, std::size_t cols, const std::int32_t* corrections,
                      const float* row_scales, const float* col_scales) {
  for (std::size_t r = 0; r < rows; ++r) {
    const auto* sums = static_cast<const std::int32_t*>(tile) + r * cols;
    auto* floats = static_cast<float*>(tile) + r * cols;
    const float row_scale = row_scales[r];
    for_lanes(cols, [=](auto d, std::size_t i) HWY_ATTR {
      const hn::RebindToSigned<decltype(d)> di;
      const auto sum = hn::Sub(hn::LoadU(di, sums + i), hn::LoadU(di, corrections + i));
      const auto scale = hn::Mul(hn::LoadU(d, col_scales + i), hn::Set(d, row_scale));
      hn::StoreU(hn::Mul(hn::ConvertTo(d, sum), scale), d, floats + i);
    });
  }
}

}  // namespace
}  // namespace steadyflux::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace steadyflux::cpu {
namespace {
HWY_EXPORT(magnitude_f32);
HWY_EXPORT(magnitude_bf16);
HWY_EXPORT(x_bytes_f32);
HWY_EXPORT(x_bytes_bf16);
HWY_EXPORT(weight_bytes_f32);
HWY_EXPORT(weight_bytes_bf16);
HWY_EXPORT(words_f32);
HWY_EXPORT(words_bf16);
HWY_EXPORT(words_product);
HWY_EXPORT(to_scaled_floats);

constexpr float kLargest = 127;

std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }

bool is_f32(FloatRow row) { return row.dtype == DType::kF32; }
const float* as_f32(FloatRow row) { return reinterpret_cast<const float*>(row.data); }
const std::uint16_t* as_bf16(FloatRow row) { return reinterpret_cast<const std::uint16_t*>(row.data); }

}  // namespace

Int8Scale int8_scale(FloatRow row, std::int64_t count) {
  const float magnitude = is_f32(row) ? HWY_DYNAMIC_DISPATCH(magnitude_f32)(as_f32(row), size(count))
                                      : HWY_DYNAMIC_DISPATCH(magnitude_bf16)(as_bf16(row), size(count));
  if (magnitude < ops::kInt8Zero) return {};
  return {magnitude / kLargest, kLargest / magnitude};
}

void integers_of_x(FloatRow row, std::int64_t count, float inverse, std::uint8_t* out) {
  if (is_f32(row)) return HWY_DYNAMIC_DISPATCH(x_bytes_f32)(as_f32(row), size(count), inverse, out);
  HWY_DYNAMIC_DISPATCH(x_bytes_bf16)(as_bf16(row), size(count), inverse, out);
}

std::int32_t integers_of_weight(FloatRow row, std::int64_t count, float inverse, std::int8_t* out) {
  if (is_f32(row)) return HWY_DYNAMIC_DISPATCH(weight_bytes_f32)(as_f32(row), size(count), inverse, out);
  return HWY_DYNAMIC_DISPATCH(weight_bytes_bf16)(as_bf16(row), size(count), inverse, out);
}

void words_of(FloatRow row, std::int64_t count, float inverse, std::int16_t* out) {
  if (is_f32(row)) return HWY_DYNAMIC_DISPATCH(words_f32)(as_f32(row), size(count), inverse, out);
  HWY_DYNAMIC_DISPATCH(words_bf16)(as_bf16(row), size(count), inverse, out);
}

// The compiler makes the best of these.
std::int32_t sum_of(const std::int8_t* row, std::int64_t count) {
  std::int32_t sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += row[i];
  return sum;
}

void words_of(const std::int8_t* row, std::int64_t count, std::int16_t* out) { std::copy_n(row, count, out); }

void multiply_words(const std::int16_t* x, const std::int16_t* w, std::int64_t m, std::int64_t n, std::int64_t depth,
                    bool accumulate, std::int32_t* y) {
  HWY_DYNAMIC_DISPATCH(words_product)(x, w, size(m), size(n), size(depth), accumulate, y);
}

void scale_sums(void* tile, std::int64_t rows, std::int64_t cols, const std::int32_t* corrections,
                const float* row_scales, const float* col_scales) {
  HWY_DYNAMIC_DISPATCH(to_scaled_floats)(tile, size(rows), size(cols), corrections, row_scales, col_scales);
}

}  // namespace steadyflux::cpu
#endif
