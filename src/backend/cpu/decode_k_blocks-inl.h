// Super-blocks of 256 elements to f32 or bf16, compiled once for each instruction set.
#if defined(STEADYFLUX_BACKEND_CPU_DECODE_K_BLOCKS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef STEADYFLUX_BACKEND_CPU_DECODE_K_BLOCKS_INL_H_
#undef STEADYFLUX_BACKEND_CPU_DECODE_K_BLOCKS_INL_H_
#else
#define STEADYFLUX_BACKEND_CPU_DECODE_K_BLOCKS_INL_H_
#endif

#include "backend/cpu/decode_blocks-inl.h"

#if HWY_TARGET != HWY_SCALAR
HWY_BEFORE_NAMESPACE();
namespace steadyflux::cpu::HWY_NAMESPACE {

using codec::Q2K;
using codec::Q3K;
using codec::Q4K;
using codec::Q5K;
using codec::Q6K;

template <class Out>
HWY_INLINE void decode(const Q2K& block, Out* out) {
  const Scales<16> scale(widen(block.d), [&](int b) { return block.scales[b] & 15; });
  const Scales<16> min(widen(block.dmin), [&](int b) { return block.scales[b] >> 4; });
  // Bytes of one group hold four groups, 32 elements apart.
  for (std::size_t half = 0; half < 2; ++half) {
    for (std::size_t g = 0; g < 2; ++g) {
      const std::size_t first = 8 * half + g;
      for_group([&](std::size_t i) HWY_ATTR {
        const Code quad = load_codes(block.q + 32 * half + kGroup * g + i);
        const auto store = [&](std::size_t b, Code code) HWY_ATTR {
          put(hn::Sub(scaled(code, scale[b]), hn::Set(Values(), min[b])), out + kGroup * b + i);
        };
        store(first, bits_of<0, 3>(quad));
        store(first + 2, bits_of<2, 3>(quad));
        store(first + 4, bits_of<4, 3>(quad));
        store(first + 6, hn::ShiftRight<6>(quad));
      });
    }
  }
}

// Bit `kBit` of each byte as bit 2 or 4 of a code.
template <int kBit, int kTo>
HWY_INLINE Code moved_bit(Code bytes) {
  return hn::ShiftLeft<kTo>(bits_of<kBit, 1>(bytes));
}

template <int kHalf, class Out>
HWY_INLINE void decode_half(const Q3K& block, const Scales<16>& scale, Out* out) {
  for (std::size_t g = 0; g < 2; ++g) {
    const std::size_t first = 8 * kHalf + g;
    for_group([&](std::size_t i) HWY_ATTR {
      const Code quad = load_codes(block.q + 32 * kHalf + kGroup * g + i);
      const Code high = load_codes(block.high + kGroup * g + i);
      const auto store = [&](std::size_t b, Code low_bits, Code high_bit) HWY_ATTR {
        put(scaled(minus(hn::Or(low_bits, high_bit), 4), scale[b]), out + kGroup * b + i);
      };
      store(first, bits_of<0, 3>(quad), moved_bit<4 * kHalf, 2>(high));
      store(first + 2, bits_of<2, 3>(quad), moved_bit<4 * kHalf + 1, 2>(high));
      store(first + 4, bits_of<4, 3>(quad), moved_bit<4 * kHalf + 2, 2>(high));
      store(first + 6, hn::ShiftRight<6>(quad), moved_bit<4 * kHalf + 3, 2>(high));
    });
  }
}

template <class Out>
HWY_INLINE void decode(const Q3K& block, Out* out) {
  const Scales<16> scale(widen(block.d), [&](int b) { return codec::q3k_scale(block.scales, b); });
  decode_half<0>(block, scale, out);
  decode_half<1>(block, scale, out);
}

// The eight scales and minima of q4_k and q5_k.
struct ScalesAndMins {
  template <class Block>
  HWY_INLINE explicit ScalesAndMins(const Block& block)
      : scale(widen(block.d), [&](int b) { return codec::scale_and_min(block.scales, b).scale; }),
        min(widen(block.dmin), [&](int b) { return codec::scale_and_min(block.scales, b).min; }) {}

  HWY_INLINE Value value(Code code, std::size_t b) const {
    return hn::Sub(scaled(code, scale[b]), hn::Set(Values(), min[b]));
  }

  Scales<8> scale;
  Scales<8> min;
};

template <class Out>
HWY_INLINE void decode(const Q4K& block, Out* out) {
  const ScalesAndMins scales(block);
  for (std::size_t b = 0; b < 8; b += 2) {
    for (std::size_t g = 0; g < 32; g += kGroup) {
      for_group([&](std::size_t i) HWY_ATTR {
        const Code pair = load_codes(block.q + 16 * b + g + i);
        put(scales.value(bits_of<0, 15>(pair), b), out + 32 * b + g + i);
        put(scales.value(hn::ShiftRight<4>(pair), b + 1), out + 32 * (b + 1) + g + i);
      });
    }
  }
}

template <int kPair, class Out>
HWY_INLINE void decode_pair(const Q5K& block, const ScalesAndMins& scales, Out* out) {
  constexpr std::size_t kFirst = 2 * kPair;
  for (std::size_t g = 0; g < 32; g += kGroup) {
    for_group([&](std::size_t i) HWY_ATTR {
      const Code pair = load_codes(block.q + 32 * kPair + g + i);
      const Code high = load_codes(block.high + g + i);
      const Code first = hn::Or(bits_of<0, 15>(pair), moved_bit<2 * kPair, 4>(high));
      const Code second = hn::Or(hn::ShiftRight<4>(pair), moved_bit<2 * kPair + 1, 4>(high));
      put(scales.value(first, kFirst), out + 32 * kFirst + g + i);
      put(scales.value(second, kFirst + 1), out + 32 * (kFirst + 1) + g + i);
    });
  }
}

template <class Out>
HWY_INLINE void decode(const Q5K& block, Out* out) {
  const ScalesAndMins scales(block);
  decode_pair<0>(block, scales, out);
  decode_pair<1>(block, scales, out);
  decode_pair<2>(block, scales, out);
  decode_pair<3>(block, scales, out);
}

template <class Out>
HWY_INLINE void decode(const Q6K& block, Out* out) {
  const Scales<16> scale(widen(block.d), [&](int b) { return block.scales[b]; });
  for (std::size_t half = 0; half < 2; ++half) {
    for (std::size_t g = 0; g < 2; ++g) {
      const std::size_t first = 8 * half + g;
      for_group([&](std::size_t i) HWY_ATTR {
        const std::uint8_t* low = block.low + 64 * half + kGroup * g + i;
        const Code near = load_codes(low);
        const Code far = load_codes(low + 32);
        const Code high = load_codes(block.high + 32 * half + kGroup * g + i);
        const auto store = [&](std::size_t b, Code low_bits, Code high_bits) HWY_ATTR {
          const Code code = hn::Or(low_bits, hn::ShiftLeft<4>(high_bits));
          put(scaled(minus(code, 32), scale[b]), out + kGroup * b + i);
        };
        store(first, bits_of<0, 15>(near), bits_of<0, 3>(high));
        store(first + 2, bits_of<0, 15>(far), bits_of<2, 3>(high));
        store(first + 4, hn::ShiftRight<4>(near), bits_of<4, 3>(high));
        store(first + 6, hn::ShiftRight<4>(far), hn::ShiftRight<6>(high));
      });
    }
  }
}

}  // namespace steadyflux::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // HWY_TARGET != HWY_SCALAR

#endif
