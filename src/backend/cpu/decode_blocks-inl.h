// Blocks of 32 elements to f32 or bf16, and what their decoders share with those of super-blocks
// (decode_k_blocks-inl.h); compiled once for each instruction set. Sums and products are written apart: fused, they
// would not have the bits of the formats' definitions.
#if defined(STEADYFLUX_BACKEND_CPU_DECODE_BLOCKS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef STEADYFLUX_BACKEND_CPU_DECODE_BLOCKS_INL_H_
#undef STEADYFLUX_BACKEND_CPU_DECODE_BLOCKS_INL_H_
#else
#define STEADYFLUX_BACKEND_CPU_DECODE_BLOCKS_INL_H_
#endif

#include <cstring>

#include "backend/cpu/vector_math-inl.h"
#include "tensor/block_layout.h"

#if HWY_TARGET != HWY_SCALAR
HWY_BEFORE_NAMESPACE();
namespace steadyflux::cpu::HWY_NAMESPACE {

using codec::Iq4Nl;
using codec::Iq4Xs;
using codec::Q4_0;
using codec::Q4_1;
using codec::Q5_0;
using codec::Q5_1;
using codec::Q8_0;

// All blocks consist of groups of sixteen elements, which are one vector or a few.
constexpr std::size_t kGroup = 16;
using Values = hn::CappedTag<float, kGroup>;
using Codes = hn::RebindToSigned<Values>;
using Value = hn::Vec<Values>;
using Code = hn::Vec<Codes>;

template <class Body>
HWY_INLINE void for_group(const Body& body) {
  for (std::size_t i = 0; i < kGroup; i += hn::Lanes(Values())) body(i);
}

template <class Byte>
HWY_INLINE Code load_codes(const Byte* bytes) {
  return hn::PromoteTo(Codes(), hn::LoadU(hn::Rebind<Byte, Codes>(), bytes));
}

template <int kShift, int kMask>
HWY_INLINE Code bits_of(Code code) {
  return hn::And(hn::ShiftRight<kShift>(code), hn::Set(Codes(), kMask));
}

HWY_INLINE Value to_value(Code code) { return hn::ConvertTo(Values(), code); }
HWY_INLINE Code minus(Code code, std::int32_t zero) { return hn::Sub(code, hn::Set(Codes(), zero)); }
HWY_INLINE Value scaled(Code code, float scale) { return hn::Mul(hn::Set(Values(), scale), to_value(code)); }

template <class Out>
HWY_INLINE void put(Value value, Out* out) {
  store_element(Values(), value, out);
}

HWY_INLINE float widen(const Half& half) {
  const hn::Rebind<hwy::float16_t, OneFloat> d16;
  return hn::GetLane(hn::PromoteTo(OneFloat(), hn::LoadU(d16, reinterpret_cast<const hwy::float16_t*>(&half))));
}

// `count` small numbers times one.
template <std::size_t kCount>
struct Scales {
  float values[kCount];

  template <class Number>
  HWY_INLINE Scales(float unit, const Number& number) {
    for (std::size_t i = 0; i < kCount; ++i) values[i] = unit * static_cast<float>(number(static_cast<int>(i)));
  }
  HWY_INLINE float operator[](std::size_t i) const { return values[i]; }
};

// Bit 4 of the codes of sixteen elements, in place; `high` holds a bit for each.
HWY_INLINE Code fifth_bits(std::uint32_t high, std::size_t i) {
  alignas(64) static constexpr std::int32_t kBits[kGroup] = {1 << 0,  1 << 1,  1 << 2,  1 << 3, 1 << 4,  1 << 5,
                                                             1 << 6,  1 << 7,  1 << 8,  1 << 9, 1 << 10, 1 << 11,
                                                             1 << 12, 1 << 13, 1 << 14, 1 << 15};
  const auto bit = hn::LoadU(Codes(), kBits + i);
  const auto is_set = hn::TestBit(hn::Set(Codes(), static_cast<std::int32_t>(high)), bit);
  return hn::IfThenElseZero(is_set, hn::Set(Codes(), 16));
}

// Calls store(element, code) for the 32 elements of 16 bytes of nibbles, low ones first; `high` has their fifth bits.
template <class Store>
HWY_INLINE void for_nibbles(const std::uint8_t* q, const Store& store) {
  for_group([&](std::size_t i) HWY_ATTR {
    const Code pair = load_codes(q + i);
    store(i, bits_of<0, 15>(pair));
    store(i + kGroup, hn::ShiftRight<4>(pair));
  });
}
template <class Store>
HWY_INLINE void for_nibbles(const std::uint8_t* q, const std::uint8_t (&high)[4], const Store& store) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, high, sizeof bits);
  for_group([&](std::size_t i) HWY_ATTR {
    const Code pair = load_codes(q + i);
    store(i, hn::Or(bits_of<0, 15>(pair), fifth_bits(bits, i)));
    store(i + kGroup, hn::Or(hn::ShiftRight<4>(pair), fifth_bits(bits >> kGroup, i)));
  });
}

template <class Out>
HWY_INLINE void decode(const Q8_0& block, Out* out) {
  const float d = widen(block.d);
  for (std::size_t g = 0; g < 32; g += kGroup) {
    for_group([&](std::size_t i) HWY_ATTR { put(scaled(load_codes(block.q + g + i), d), out + g + i); });
  }
}

template <class Out>
HWY_INLINE void decode(const Q4_0& block, Out* out) {
  const float d = widen(block.d);
  for_nibbles(block.q, [&](std::size_t i, Code code) HWY_ATTR { put(scaled(minus(code, 8), d), out + i); });
}

template <class Out>
HWY_INLINE void decode(const Q5_0& block, Out* out) {
  const float d = widen(block.d);
  for_nibbles(block.q, block.high,
              [&](std::size_t i, Code code) HWY_ATTR { put(scaled(minus(code, 16), d), out + i); });
}

template <class Out>
HWY_INLINE void decode(const Q4_1& block, Out* out) {
  const float d = widen(block.d);
  const Value m = hn::Set(Values(), widen(block.m));
  for_nibbles(block.q, [&](std::size_t i, Code code) HWY_ATTR { put(hn::Add(scaled(code, d), m), out + i); });
}

template <class Out>
HWY_INLINE void decode(const Q5_1& block, Out* out) {
  const float d = widen(block.d);
  const Value m = hn::Set(Values(), widen(block.m));
  for_nibbles(block.q, block.high,
              [&](std::size_t i, Code code) HWY_ATTR { put(hn::Add(scaled(code, d), m), out + i); });
}

// The sixteen numbers of IQ4 for the codes of 32 elements.
template <class Out>
HWY_INLINE void decode_iq4(const std::uint8_t* q, float scale, Out* out) {
  const hn::Full128<std::uint8_t> bytes;
  const hn::Full128<std::int8_t> numbers;
  const auto table = hn::LoadU(numbers, codec::kIq4Codes);
  const auto pairs = hn::LoadU(bytes, q);
  const auto low = hn::And(pairs, hn::Set(bytes, std::uint8_t{15}));
  const hn::Full128<std::uint16_t> words;
  const auto shifted = hn::BitCast(bytes, hn::ShiftRight<4>(hn::BitCast(words, pairs)));
  const auto high = hn::And(shifted, hn::Set(bytes, std::uint8_t{15}));
  alignas(16) std::int8_t found[2 * kGroup];
  hn::Store(hn::TableLookupBytes(table, hn::BitCast(numbers, low)), numbers, found);
  hn::Store(hn::TableLookupBytes(table, hn::BitCast(numbers, high)), numbers, found + kGroup);
  for (std::size_t g = 0; g < 2 * kGroup; g += kGroup) {
    for_group([&](std::size_t i) HWY_ATTR { put(scaled(load_codes(found + g + i), scale), out + g + i); });
  }
}

template <class Out>
HWY_INLINE void decode(const Iq4Nl& block, Out* out) {
  decode_iq4(block.q, widen(block.d), out);
}

template <class Out>
HWY_INLINE void decode(const Iq4Xs& block, Out* out) {
  const Scales<8> scale(widen(block.d), [&](int b) { return codec::iq4_xs_scale(block, b); });
  for (std::size_t b = 0; b < 8; ++b) decode_iq4(block.q + 16 * b, scale[b], out + 32 * b);
}

}  // namespace steadyflux::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // HWY_TARGET != HWY_SCALAR

#endif
