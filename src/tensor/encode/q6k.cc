// Super-blocks of q6_k, written with the least squared error, as those of q4_k (q4k.cc): codes around
// zero, of either sign, as are the scales.
#include <algorithm>
#include <cmath>

#include "tensor/encode/block_encoders.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/encode/q6k.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "tensor/encode/candidates-inl.h"

HWY_BEFORE_NAMESPACE();
namespace steadyflux::codec::HWY_NAMESPACE {
namespace {

constexpr int kSignedBlock = 16;
constexpr CodeRange kSigned = {-32, 31};
constexpr Candidates kPeakCodes = steps(-33, 0.125f);
constexpr Candidates kNear = steps(-8, 1);

HWY_INLINE float fit_scale(const float* x) {
  const Extent extent = extent_of<kSignedBlock>(x);
  const float peak = extent.most > -extent.least ? extent.most : extent.least;
  if (peak == 0) return 0;
  Candidates scales;
  Candidates left;
  for_candidates([&](std::size_t c) HWY_ATTR {
    const Value inverse = hn::Mul(constant(reciprocal(peak)), kPeakCodes.load(c));
    Value qq_sum = hn::Zero(Lanes());
    Value xq_sum = hn::Zero(Lanes());
    for (int i = 0; i < kSignedBlock; ++i) {
      const Value q = code_of(constant(x[i]), inverse, kSigned);
      qq_sum = hn::Add(qq_sum, hn::Mul(q, q));
      xq_sum = hn::Add(xq_sum, hn::Mul(constant(x[i]), q));
    }
    const Value scale = hn::IfThenElseZero(hn::Gt(qq_sum, hn::Zero(Lanes())), hn::Div(xq_sum, qq_sum));
    scales.store(c, scale);
    left.store(c, hn::Neg(hn::Mul(scale, xq_sum)));
  });
  const std::size_t best = first_smallest(left);
  return left[best] < 0 ? scales[best] : peak / kSigned.least;
}

HWY_INLINE int choose(const float* x, float ideal, float unit) {
  if (unit == 0) return 0;
  const float middle = std::floor(std::clamp(ideal / unit, -128.0f, 127.0f) + 0.5f);
  Candidates scales;
  Candidates errors;
  for_candidates([&](std::size_t c) HWY_ATTR {
    const Value packed = within(hn::Add(constant(middle), kNear.load(c)), -128, 127);
    const Value scale = hn::Mul(constant(unit), packed);
    const Value inverse = reciprocals(scale);
    Value sum = hn::Zero(Lanes());
    for (int i = 0; i < kSignedBlock; ++i) {
      const Value value = constant(x[i]);
      const Value error = hn::Sub(value, hn::Mul(scale, code_of(value, inverse, kSigned)));
      sum = hn::Add(sum, hn::Mul(error, error));
    }
    scales.store(c, packed);
    errors.store(c, sum);
  });
  return static_cast<int>(scales[first_smallest(errors)]);
}

void encode_q6k(const float* values, Q6K& block) {
  constexpr std::size_t kBlocks = kSuperBlock / kSignedBlock;
  std::array<float, kBlocks> ideal;
  float peak = 0;
  for (std::size_t b = 0; b < kBlocks; ++b) {
    ideal[b] = fit_scale(values + b * kSignedBlock);
    if (std::fabs(ideal[b]) > std::fabs(peak)) peak = ideal[b];
  }
  block.d = scale_as_half(peak / -128);
  const float d = float_from_half(block.d);
  Codes codes;
  for (std::size_t b = 0; b < kBlocks; ++b) {
    const float* x = values + b * kSignedBlock;
    const int packed = choose(x, ideal[b], d);
    block.scales[b] = static_cast<std::int8_t>(packed);
    store_codes<kSignedBlock>(x, d * static_cast<float>(packed), 0, kSigned, codes.data() + b * kSignedBlock);
  }
  store_nibbles(codes, 64, block.low);
  store_high_bits(codes, 2, block.high);
}

}  // namespace
}  // namespace steadyflux::codec::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace steadyflux::codec {
namespace {
HWY_EXPORT(encode_q6k);
}  // namespace

void encode(const float* values, Q6K& block) { HWY_DYNAMIC_DISPATCH(encode_q6k)(values, block); }

}  // namespace steadyflux::codec
#endif
