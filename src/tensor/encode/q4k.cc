// Super-blocks of q4_k and q5_k, written with the least squared error.
//
// Each block inside first gets a scale (and minimum) of its own: codes are rounded for several candidates, and least
// squares gives the best scale for these codes. Then the super-block's f16 scales are fixed, and each block takes the
// quantised scale, of those around its own, that leaves the smallest error with codes rounded anew.
//
// The error is not weighted: for inputs of no preferred direction, the sum of squares of a weight's errors is what the
// layer's output is off by.
#include <algorithm>
#include <cmath>

#include "tensor/encode/block_encoders.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/encode/q4k.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "tensor/encode/candidates-inl.h"

HWY_BEFORE_NAMESPACE();
namespace steadyflux::codec::HWY_NAMESPACE {
namespace {

// Codes 0 … most stand for scale q - min.
constexpr int kAffineBlock = 32;
struct Affine {
  float scale = 0;
  float min = 0;
};

// The best scale and minimum for each candidate's codes, the minimum kept from being negative; what they leave of the
// sum of squares, less that sum, and infinite for a scale that is not positive.
struct AffineFits {
  Candidates scale;
  Candidates min;
  Candidates left;
};

HWY_INLINE AffineFits least_squares(const float* x, float least, float inverse_extent, const Candidates& spans,
                                    const CodeRange& range) {
  const Value count = constant(kAffineBlock);
  const Value zero = hn::Zero(Lanes());
  AffineFits fits;
  for_candidates([&](std::size_t c) HWY_ATTR {
    const Value inverse = hn::Mul(constant(inverse_extent), spans.load(c));
    Value x_sum = zero;
    Value q_sum = zero;
    Value qq_sum = zero;
    Value xq_sum = zero;
    for (int i = 0; i < kAffineBlock; ++i) {
      const Value value = constant(x[i]);
      const Value q = code_of(hn::Sub(value, constant(least)), inverse, range);
      x_sum = hn::Add(x_sum, value);
      q_sum = hn::Add(q_sum, q);
      qq_sum = hn::Add(qq_sum, hn::Mul(q, q));
      xq_sum = hn::Add(xq_sum, hn::Mul(value, q));
    }
    const Value determinant = hn::Sub(hn::Mul(count, qq_sum), hn::Mul(q_sum, q_sum));
    const Value scale = hn::Div(hn::Sub(hn::Mul(count, xq_sum), hn::Mul(x_sum, q_sum)), determinant);
    const Value min = hn::Div(hn::Sub(hn::Mul(q_sum, xq_sum), hn::Mul(qq_sum, x_sum)), determinant);
    const Value scale_alone = hn::IfThenElseZero(hn::Gt(qq_sum, zero), hn::Div(xq_sum, qq_sum));
    const auto both = hn::And(hn::Gt(determinant, zero), hn::Ge(min, zero));
    const Value best_scale = hn::IfThenElse(both, scale, scale_alone);
    const Value best_min = hn::IfThenElseZero(both, min);
    const Value left = hn::Sub(hn::Mul(best_min, x_sum), hn::Mul(best_scale, xq_sum));
    fits.scale.store(c, best_scale);
    fits.min.store(c, best_min);
    fits.left.store(c, hn::IfThenElse(hn::Gt(best_scale, zero), left, constant(kInfinity)));
  });
  return fits;
}

HWY_INLINE Affine fit_affine(const float* x, const Candidates& spans, const CodeRange& range) {
  const Extent extent = extent_of<kAffineBlock>(x);
  const float least = std::min(extent.least, 0.0f);
  const float size = extent.most - least;
  if (!(size > 0)) return {0, -least};
  const AffineFits fits = least_squares(x, least, reciprocal(size), spans, range);
  const std::size_t best = first_smallest(fits.left);
  return fits.left[best] < kInfinity ? Affine{fits.scale[best], fits.min[best]} : Affine{size / range.most, -least};
}

// `value` in units of `unit`, as far as six bits go.
float six_bits(float value, float unit) { return unit > 0 ? std::floor(std::min(value / unit, 63.0f) + 0.5f) : 0; }

// Three quantised scales and five minima around the middle, the last pair once more.
constexpr Candidates kNearScales = {{-1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1}};
constexpr Candidates kNearMins = {{-2, -1, 0, 1, 2, -2, -1, 0, 1, 2, -2, -1, 0, 1, 2, 2}};

// The quantised scale and minimum near `ideal` with the smallest error.
HWY_INLINE ScaleAndMin choose(const float* x, const Affine& ideal, const Affine& unit, const CodeRange& range) {
  const Affine middle = {six_bits(ideal.scale, unit.scale), six_bits(ideal.min, unit.min)};
  Candidates scales;
  Candidates mins;
  Candidates errors;
  for_candidates([&](std::size_t c) HWY_ATTR {
    const Value packed_scale = within(hn::Add(constant(middle.scale), kNearScales.load(c)), 0, 63);
    const Value packed_min = within(hn::Add(constant(middle.min), kNearMins.load(c)), 0, 63);
    const Value scale = hn::Mul(constant(unit.scale), packed_scale);
    const Value min = hn::Mul(constant(unit.min), packed_min);
    const Value inverse = reciprocals(scale);
    Value sum = hn::Zero(Lanes());
    for (int i = 0; i < kAffineBlock; ++i) {
      const Value value = constant(x[i]);
      const Value q = code_of(hn::Add(value, min), inverse, range);
      const Value error = hn::Sub(value, hn::Sub(hn::Mul(scale, q), min));
      sum = hn::Add(sum, hn::Mul(error, error));
    }
    scales.store(c, packed_scale);
    mins.store(c, packed_min);
    errors.store(c, sum);
  });
  const std::size_t best = first_smallest(errors);
  return {static_cast<int>(scales[best]), static_cast<int>(mins[best])};
}

void store(const ScaleAndMin& packed, int b, std::uint8_t (&scales)[12]) {
  const auto add = [&](int byte, int bits) { scales[byte] = static_cast<std::uint8_t>(scales[byte] | bits); };
  if (b < 4) {
    add(b, packed.scale);
    add(b + 4, packed.min);
  } else {
    add(b + 4, (packed.scale & 15) | ((packed.min & 15) << 4));
    add(b - 4, packed.scale >> 4 << 6);
    add(b, packed.min >> 4 << 6);
  }
}

// Writes the scales; returns the codes.
template <typename Block>
HWY_INLINE Codes encode_affine(const float* values, const Candidates& spans, const CodeRange& range, Block& block) {
  constexpr std::size_t kBlocks = kSuperBlock / kAffineBlock;
  std::array<Affine, kBlocks> ideal;
  Affine largest;
  for (std::size_t b = 0; b < kBlocks; ++b) {
    ideal[b] = fit_affine(values + b * kAffineBlock, spans, range);
    largest = {std::max(largest.scale, ideal[b].scale), std::max(largest.min, ideal[b].min)};
  }
  block.d = scale_as_half(largest.scale / 63);
  block.dmin = scale_as_half(largest.min / 63);
  std::fill(std::begin(block.scales), std::end(block.scales), std::uint8_t{0});
  const Affine unit = {float_from_half(block.d), float_from_half(block.dmin)};
  Codes codes;
  for (std::size_t b = 0; b < kBlocks; ++b) {
    const float* x = values + b * kAffineBlock;
    const ScaleAndMin packed = choose(x, ideal[b], unit, range);
    store(packed, static_cast<int>(b), block.scales);
    const float scale = unit.scale * static_cast<float>(packed.scale);
    const float min = unit.min * static_cast<float>(packed.min);
    store_codes<kAffineBlock>(x, scale, min, range, codes.data() + b * kAffineBlock);
  }
  return codes;
}

// The codes' ends may lie beyond those of the values, or within them.
constexpr Candidates kSpans15 = steps(14, 0.125f);
constexpr Candidates kSpans31 = steps(30, 0.125f);

void encode_q4k(const float* values, Q4K& block) {
  const Codes codes = encode_affine(values, kSpans15, {0, 15}, block);
  store_nibbles(codes, 32, block.q);
}

void encode_q5k(const float* values, Q5K& block) {
  const Codes codes = encode_affine(values, kSpans31, {0, 31}, block);
  store_nibbles(codes, 32, block.q);
  store_high_bits(codes, 1, block.high);
}

}  // namespace
}  // namespace steadyflux::codec::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace steadyflux::codec {
namespace {
HWY_EXPORT(encode_q4k);
HWY_EXPORT(encode_q5k);
}  // namespace

void encode(const float* values, Q4K& block) { HWY_DYNAMIC_DISPATCH(encode_q4k)(values, block); }
void encode(const float* values, Q5K& block) { HWY_DYNAMIC_DISPATCH(encode_q5k)(values, block); }

}  // namespace steadyflux::codec
#endif
