// Searching a block's scale, compiled once for each instruction set: a vector's lanes are candidates. Each sums over
// the block's elements in their order, and nothing is fused, so the bits are the same for every instruction set.
#if defined(STEADYFLUX_TENSOR_CANDIDATES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef STEADYFLUX_TENSOR_CANDIDATES_INL_H_
#undef STEADYFLUX_TENSOR_CANDIDATES_INL_H_
#else
#define STEADYFLUX_TENSOR_CANDIDATES_INL_H_
#endif

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "hwy/highway.h"
#include "tensor/block_layout.h"

HWY_BEFORE_NAMESPACE();
namespace steadyflux::codec::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

constexpr std::size_t kCandidates = 16;
using Lanes = hn::CappedTag<float, kCandidates>;
using Value = hn::Vec<Lanes>;

// A number for each candidate.
struct alignas(64) Candidates {
  float values[kCandidates] = {};

  float operator[](std::size_t i) const { return values[i]; }
  HWY_INLINE Value load(std::size_t i) const { return hn::Load(Lanes(), values + i); }
  HWY_INLINE void store(std::size_t i, Value value) { hn::Store(value, Lanes(), values + i); }
};

// first, first + step, …
constexpr Candidates steps(float first, float step) {
  Candidates all;
  for (std::size_t i = 0; i < kCandidates; ++i) all.values[i] = first + step * static_cast<float>(i);
  return all;
}

// What codes can be.
struct CodeRange {
  float least = 0;
  float most = 0;
};

HWY_INLINE Value constant(float value) { return hn::Set(Lanes(), value); }

HWY_INLINE Value within(Value x, float least, float most) {
  return hn::Min(hn::Max(x, constant(least)), constant(most));
}

HWY_INLINE Value code_of(Value x, Value inverse, const CodeRange& range) {
  return within(hn::Round(hn::Mul(x, inverse)), range.least, range.most);
}

// As codec::reciprocal.
HWY_INLINE Value reciprocals(Value scale) {
  const Value inverse = hn::Div(constant(1), scale);
  return hn::IfThenElseZero(hn::Le(hn::Abs(inverse), constant(std::numeric_limits<float>::max())), inverse);
}

// Calls body(i) for each vector of candidates.
template <class Body>
HWY_INLINE void for_candidates(const Body& body) {
  for (std::size_t i = 0; i < kCandidates; i += hn::Lanes(Lanes())) body(i);
}

// The first of those with the smallest number.
HWY_INLINE std::size_t first_smallest(const Candidates& numbers) {
  Value least = numbers.load(0);
  for_candidates([&](std::size_t c) HWY_ATTR { least = hn::Min(least, numbers.load(c)); });
  least = hn::MinOfLanes(Lanes(), least);
  for (std::size_t c = 0; c < kCandidates; c += hn::Lanes(Lanes())) {
    const auto found = hn::FindFirstTrue(Lanes(), hn::Eq(numbers.load(c), least));
    if (found >= 0) return c + static_cast<std::size_t>(found);
  }
  return 0;
}

struct Extent {
  float least = 0;
  float most = 0;
};
template <int kCount>
HWY_INLINE Extent extent_of(const float* x) {
  Value least = hn::LoadU(Lanes(), x);
  Value most = least;
  for (int i = 0; i < kCount; i += static_cast<int>(hn::Lanes(Lanes()))) {
    least = hn::Min(least, hn::LoadU(Lanes(), x + i));
    most = hn::Max(most, hn::LoadU(Lanes(), x + i));
  }
  return {hn::GetLane(hn::MinOfLanes(Lanes(), least)), hn::GetLane(hn::MaxOfLanes(Lanes(), most))};
}

// The codes of a super-block, from 0 on.
using Codes = std::array<std::uint8_t, kSuperBlock>;

// The codes of x = scale q - min, the least of them as 0.
template <int kCount>
HWY_INLINE void store_codes(const float* x, float scale, float min, const CodeRange& range, std::uint8_t* codes) {
  const Value inverse = reciprocals(constant(scale));
  const hn::RebindToSigned<Lanes> ints;
  const hn::Rebind<std::uint8_t, Lanes> bytes;
  for (int i = 0; i < kCount; i += static_cast<int>(hn::Lanes(Lanes()))) {
    const Value q = code_of(hn::Add(hn::LoadU(Lanes(), x + i), constant(min)), inverse, range);
    const Value from_zero = hn::Sub(q, constant(range.least));
    hn::StoreU(hn::DemoteTo(bytes, hn::ConvertTo(ints, from_zero)), bytes, codes + i);
  }
}

// Pairs of `distance` bytes, one in the low nibbles and one in the high ones.
inline void store_nibbles(const Codes& codes, std::size_t distance, std::uint8_t* nibbles) {
  for (std::size_t pair = 0; pair < kSuperBlock; pair += 2 * distance) {
    for (std::size_t i = 0; i < distance; ++i) {
      const int low = codes[pair + i] & 15;
      const int high = codes[pair + distance + i] & 15;
      nibbles[pair / 2 + i] = static_cast<std::uint8_t>(low | (high << 4));
    }
  }
}

// Bits 4 and above, `bits` of each: those of elements 32 apart lie in one byte, of as many as have room.
inline void store_high_bits(const Codes& codes, std::size_t bits, std::uint8_t* bytes) {
  const std::size_t in_byte = 8 / bits;
  for (std::size_t first = 0; first < kSuperBlock; first += 32 * in_byte) {
    for (std::size_t i = 0; i < 32; ++i) {
      unsigned byte = 0;
      for (std::size_t j = 0; j < in_byte; ++j) byte |= unsigned{codes[first + 32 * j + i]} >> 4 << (bits * j);
      bytes[first / in_byte + i] = static_cast<std::uint8_t>(byte);
    }
  }
}

}  // namespace steadyflux::codec::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
