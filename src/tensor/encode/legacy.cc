// Blocks of 32 with one scale, or a scale and a minimum, written with the bits of ggml's reference.
#include <algorithm>
#include <cmath>

#include "tensor/encode/block_encoders.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/encode/legacy.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace steadyflux::codec::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kBlock = 32;
using Lanes = hn::CappedTag<float, kBlock>;
using Ints = hn::RebindToSigned<Lanes>;
using Value = hn::Vec<Lanes>;

HWY_INLINE Value constant(float value) { return hn::Set(Lanes(), value); }

// Calls body(i, values) for each vector of a block.
template <class Body>
HWY_INLINE void for_block(const float* values, const Body& body) {
  for (std::size_t i = 0; i < kBlock; i += hn::Lanes(Lanes())) body(i, hn::LoadU(Lanes(), values + i));
}

struct Extent {
  float least = 0;
  float most = 0;
};
HWY_INLINE Extent extent_of(const float* values) {
  Value least = hn::LoadU(Lanes(), values);
  Value most = least;
  for_block(values, [&](std::size_t, Value x) HWY_ATTR {
    least = hn::Min(least, x);
    most = hn::Max(most, x);
  });
  return {hn::GetLane(hn::MinOfLanes(Lanes(), least)), hn::GetLane(hn::MaxOfLanes(Lanes(), most))};
}

// The element whose magnitude is largest, the first of equals, with its sign.
HWY_INLINE float signed_peak(const float* values) {
  const Extent extent = extent_of(values);
  if (extent.most > -extent.least) return extent.most;
  if (extent.most < -extent.least) return extent.least;
  return *std::find_if(values, values + kBlock, [&](float x) { return std::fabs(x) == extent.most; });
}

template <class Byte>
HWY_INLINE void store_bytes(hn::Vec<Ints> numbers, Byte* bytes) {
  const hn::Rebind<Byte, Lanes> narrow;
  hn::StoreU(hn::DemoteTo(narrow, numbers), narrow, bytes);
}

// (x - shift) * scale + bias, cut to a whole number of at most `most`. Never negative but by a rounding.
HWY_INLINE void quantise(const float* values, float shift, float scale, float bias, int most, std::uint8_t* codes) {
  for_block(values, [&](std::size_t i, Value x) HWY_ATTR {
    const Value code = hn::Add(hn::Mul(hn::Sub(x, constant(shift)), constant(scale)), constant(bias));
    store_bytes(hn::Min(hn::ConvertTo(Ints(), code), hn::Set(Ints(), most)), codes + i);
  });
}

// Writes codes of four bits, or of five where there is room for the fifth.
template <typename Block>
HWY_INLINE void store_codes(const std::uint8_t* codes, Block& block) {
  constexpr std::size_t kHalf = kBlock / 2;
  for (std::size_t i = 0; i < kHalf; ++i) {
    block.q[i] = static_cast<std::uint8_t>((codes[i] & 15) | ((codes[i + kHalf] & 15) << 4));
  }
  if constexpr (requires { block.high; }) {
    for (std::size_t byte = 0; byte < kBlock / 8; ++byte) {
      int bits = 0;
      for (std::size_t i = 0; i < 8; ++i) bits |= (codes[8 * byte + i] >> 4) << i;
      block.high[byte] = static_cast<std::uint8_t>(bits);
    }
  }
}

// The largest magnitude becomes -zero, which has no positive counterpart.
template <typename Block>
HWY_INLINE void encode_around_zero(const float* values, int zero, Block& block) {
  const float d = signed_peak(values) / static_cast<float>(-zero);
  block.d = scale_as_half(d);
  std::uint8_t codes[kBlock];
  quantise(values, 0, reciprocal(d), static_cast<float>(zero) + 0.5f, 2 * zero - 1, codes);
  store_codes(codes, block);
}

template <typename Block>
HWY_INLINE void encode_with_minimum(const float* values, int most, Block& block) {
  const Extent extent = extent_of(values);
  const float d = (extent.most - extent.least) / static_cast<float>(most);
  block.d = scale_as_half(d);
  block.m = scale_as_half(extent.least);
  std::uint8_t codes[kBlock];
  quantise(values, extent.least, reciprocal(d), 0.5f, most, codes);
  store_codes(codes, block);
}

void encode_q4_0(const float* values, Q4_0& block) { encode_around_zero(values, 8, block); }
void encode_q5_0(const float* values, Q5_0& block) { encode_around_zero(values, 16, block); }
void encode_q4_1(const float* values, Q4_1& block) { encode_with_minimum(values, 15, block); }
void encode_q5_1(const float* values, Q5_1& block) { encode_with_minimum(values, 31, block); }

// To the nearest whole number, halves away from zero.
HWY_INLINE hn::Vec<Ints> round_away(Value x) {
  const Value whole = hn::Trunc(x);
  const Value rest = hn::Sub(x, whole);  // exact
  const Value step = hn::IfThenElseZero(hn::Ge(hn::Abs(rest), constant(0.5f)), hn::CopySign(constant(1), x));
  return hn::ConvertTo(Ints(), hn::Add(whole, step));
}

void encode_q8_0(const float* values, Q8_0& block) {
  const Extent extent = extent_of(values);
  const float d = std::max(extent.most, -extent.least) / 127;
  block.d = scale_as_half(d);
  const Value inverse = constant(reciprocal(d));
  for_block(values,
            [&](std::size_t i, Value x) HWY_ATTR { store_bytes(round_away(hn::Mul(x, inverse)), block.q + i); });
}

}  // namespace
}  // namespace steadyflux::codec::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace steadyflux::codec {
namespace {
HWY_EXPORT(encode_q4_0);
HWY_EXPORT(encode_q4_1);
HWY_EXPORT(encode_q5_0);
HWY_EXPORT(encode_q5_1);
HWY_EXPORT(encode_q8_0);
}  // namespace

void encode(const float* values, Q4_0& block) { HWY_DYNAMIC_DISPATCH(encode_q4_0)(values, block); }
void encode(const float* values, Q4_1& block) { HWY_DYNAMIC_DISPATCH(encode_q4_1)(values, block); }
void encode(const float* values, Q5_0& block) { HWY_DYNAMIC_DISPATCH(encode_q5_0)(values, block); }
void encode(const float* values, Q5_1& block) { HWY_DYNAMIC_DISPATCH(encode_q5_1)(values, block); }
void encode(const float* values, Q8_0& block) { HWY_DYNAMIC_DISPATCH(encode_q8_0)(values, block); }

}  // namespace steadyflux::codec
#endif
