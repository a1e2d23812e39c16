// Weights whose scales lie apart: nf4 and fp4, their nested scales, and rows of i8.
#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "tensor/codec.h"
#include "tensor/encode/finite.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/encode/scales_apart.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace steadyflux::codec::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using Lanes = hn::ScalableTag<float>;
using OneLane = hn::CappedTag<float, 1>;

// Calls body(d, i) for whole vectors, then for each element that remains.
template <class Body>
HWY_INLINE void for_lanes(std::int64_t count, const Body& body) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(Lanes()));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) body(Lanes(), i);
  for (; i < count; ++i) body(OneLane(), i);
}

template <class D, class Byte>
HWY_INLINE void store_bytes(D, hn::Vec<hn::RebindToSigned<D>> numbers, Byte* bytes) {
  const hn::Rebind<Byte, D> narrow;
  hn::StoreU(hn::DemoteTo(narrow, numbers), narrow, bytes);
}

float largest_magnitude(const float* values, std::int64_t count) {
  auto largest = hn::Zero(Lanes());
  float rest = 0;
  for_lanes(count, [&](auto d, std::int64_t i) HWY_ATTR {
    const auto magnitude = hn::Abs(hn::LoadU(d, values + i));
    if constexpr (std::is_same_v<decltype(d), Lanes>) {
      largest = hn::Max(largest, magnitude);
    } else {
      rest = std::max(rest, hn::GetLane(magnitude));
    }
  });
  return std::max(rest, hn::GetLane(hn::MaxOfLanes(Lanes(), largest)));
}

// How many of the 15 middles each value lies above, the value being scaled and cut to [-1, 1].
void find_places(const float* values, std::int64_t count, float inverse, const float* middles, std::uint8_t* places) {
  for_lanes(count, [&](auto d, std::int64_t i) HWY_ATTR {
    const hn::RebindToSigned<decltype(d)> ints;
    const auto one = hn::Set(d, 1.0f);
    const auto scaled = hn::Mul(hn::LoadU(d, values + i), hn::Set(d, inverse));
    const auto value = hn::Min(hn::Max(scaled, hn::Neg(one)), one);
    auto above = hn::Zero(ints);
    for (int j = 0; j < 15; ++j) {
      const auto is_above = hn::RebindMask(ints, hn::Gt(value, hn::Set(d, middles[j])));
      above = hn::Sub(above, hn::VecFromMask(ints, is_above));
    }
    store_bytes(d, above, places + i);
  });
}

// No value times `inverse` is beyond 127 by more than its rounding.
void round_times(const float* values, std::int64_t count, float inverse, std::int8_t* codes) {
  for_lanes(count, [&](auto d, std::int64_t i) HWY_ATTR {
    const hn::RebindToSigned<decltype(d)> ints;
    const auto code = hn::Round(hn::Mul(hn::LoadU(d, values + i), hn::Set(d, inverse)));
    store_bytes(d, hn::ConvertTo(ints, code), codes + i);
  });
}

}  // namespace
}  // namespace steadyflux::codec::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace steadyflux::codec {
namespace {
HWY_EXPORT(largest_magnitude);
HWY_EXPORT(find_places);
HWY_EXPORT(round_times);

// Codes in the order of what they stand for, and the middles between neighbours: above one a value takes the upper. Of
// fp4's two zeros, a value below both middles around them takes the first.
struct Ladder {
  std::array<std::uint8_t, 16> codes{};
  std::array<float, 15> middles{};
};
constexpr std::array<std::uint8_t, 16> kAscendingNf4 = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
constexpr std::array<std::uint8_t, 16> kAscendingFp4 = {11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3};

Ladder ladder_of(DType type) {
  const std::span<const float, 16> values = four_bit_codes(type);
  Ladder ladder = {type == DType::kNf4 ? kAscendingNf4 : kAscendingFp4, {}};
  for (std::size_t i = 0; i < ladder.middles.size(); ++i) {
    ladder.middles[i] = (values[ladder.codes[i]] + values[ladder.codes[i + 1]]) / 2;
  }
  return ladder;
}

// 1 / scale as bitsandbytes has it.
float inverse_of(float scale) { return 1.0f / std::max(scale, 1e-38f); }

}  // namespace

void encode(DType type, const float* values, std::int64_t count, std::byte* codes, float* scales) {
  constexpr std::int64_t kBlock = block_shape(DType::kNf4).elements;
  static_assert(block_shape(DType::kFp4).elements == kBlock);
  const Ladder ladder = ladder_of(type);
  ensure(count % kBlock == 0, "expected whole blocks of ", kBlock, " elements, got ", count);
  expect_finite(values, count);
  for (std::int64_t begin = 0; begin < count; begin += kBlock) {
    const float scale = HWY_DYNAMIC_DISPATCH(largest_magnitude)(values + begin, kBlock);
    scales[begin / kBlock] = scale;
    std::uint8_t places[kBlock];
    HWY_DYNAMIC_DISPATCH(find_places)(values + begin, kBlock, inverse_of(scale), ladder.middles.data(), places);
    for (std::int64_t i = 0; i < kBlock; i += 2) {
      codes[(begin + i) / 2] = static_cast<std::byte>((ladder.codes[places[i]] << 4) | ladder.codes[places[i + 1]]);
    }
  }
}

float encode_scales(const float* scales, std::int64_t count, std::uint8_t* codes, float* nested) {
  expect_finite(scales, count);
  std::array<float, 255> middles{};
  const std::span<const float, 256> table = nested_scale_codes();
  for (std::size_t i = 0; i < middles.size(); ++i) middles[i] = (table[i] + table[i + 1]) / 2;
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += static_cast<double>(scales[i]);
  const auto offset = static_cast<float>(sum / static_cast<double>(std::max<std::int64_t>(count, 1)));
  for (std::int64_t begin = 0; begin < count; begin += Scales::kNestedBlock) {
    const std::int64_t end = std::min(count, begin + Scales::kNestedBlock);
    float largest = 0;
    for (std::int64_t i = begin; i < end; ++i) largest = std::max(largest, std::fabs(scales[i] - offset));
    const float inverse = inverse_of(largest);
    nested[begin / Scales::kNestedBlock] = largest;
    for (std::int64_t i = begin; i < end; ++i) {
      const float value = std::clamp((scales[i] - offset) * inverse, -1.0f, 1.0f);
      codes[i] = static_cast<std::uint8_t>(std::lower_bound(middles.begin(), middles.end(), value) - middles.begin());
    }
  }
  return offset;
}

float encode_row_i8(const float* values, std::int64_t count, std::int8_t* codes) {
  expect_finite(values, count);
  const float magnitude = HWY_DYNAMIC_DISPATCH(largest_magnitude)(values, count);
  if (magnitude < kInt8Zero) {
    std::fill_n(codes, count, std::int8_t{0});
    return 0;
  }
  HWY_DYNAMIC_DISPATCH(round_times)(values, count, 127 / magnitude, codes);
  return magnitude / 127;
}

}  // namespace steadyflux::codec
#endif
