// f32 vector functions for the kernels, compiled once for each instruction set.
#if defined(STEADYFLUX_BACKEND_CPU_VECTOR_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef STEADYFLUX_BACKEND_CPU_VECTOR_MATH_INL_H_
#undef STEADYFLUX_BACKEND_CPU_VECTOR_MATH_INL_H_
#else
#define STEADYFLUX_BACKEND_CPU_VECTOR_MATH_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "hwy/highway.h"
#include "ops/ops.h"

HWY_BEFORE_NAMESPACE();
namespace steadyflux::cpu::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using OneFloat = hn::CappedTag<float, 1>;

// Calls body(d, i) for i = 0, L, 2L, … with the full vector tag, then for each element that remains with a tag of one
// lane.
template <class Body>
HWY_INLINE void for_lanes(std::size_t count, const Body& body) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) body(d, i);
  const OneFloat one;
  for (; i < count; ++i) body(one, i);
}

// The sum of term(d, i) over count elements: four running vectors, then a fixed tree, then the remaining elements.
template <class Term>
HWY_INLINE float sum_lanes(std::size_t count, const Term& term) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  auto sum0 = hn::Zero(d);
  auto sum1 = hn::Zero(d);
  auto sum2 = hn::Zero(d);
  auto sum3 = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    sum0 = hn::Add(sum0, term(d, i));
    sum1 = hn::Add(sum1, term(d, i + lanes));
    sum2 = hn::Add(sum2, term(d, i + 2 * lanes));
    sum3 = hn::Add(sum3, term(d, i + 3 * lanes));
  }
  for (; i + lanes <= count; i += lanes) sum0 = hn::Add(sum0, term(d, i));
  float total = hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3))));
  const OneFloat one;
  for (; i < count; ++i) total += hn::GetLane(term(one, i));
  return total;
}

// e^x within 2 ulp, x clamped to [-87.3, 88]; NaN gives a finite number.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V exp_clamped(D d, V x) {
  x = hn::Min(hn::Max(x, hn::Set(d, -87.3f)), hn::Set(d, 88.0f));
  const V n = hn::Round(hn::Mul(x, hn::Set(d, 1.44269504f)));
  // ln 2 in two parts: n times the first is exact.
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693145751953125f), x);
  r = hn::NegMulAdd(n, hn::Set(d, 1.42860677e-06f), r);
  V p = hn::Set(d, 1.394644656e-03f);
  p = hn::MulAdd(p, r, hn::Set(d, 8.369151694e-03f));
  p = hn::MulAdd(p, r, hn::Set(d, 4.166626314e-02f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.666651599e-01f));
  p = hn::MulAdd(p, r, hn::Set(d, 5.000000081e-01f));
  p = hn::Add(hn::MulAdd(hn::Mul(p, r), r, r), hn::Set(d, 1.0f));
  const hn::RebindToSigned<D> di;
  return hn::BitCast(d, hn::Add(hn::BitCast(di, p), hn::ShiftLeft<23>(hn::ConvertTo(di, n))));
}

// x * sigmoid(u); right for every finite u, because the quotient underflows where the sigmoid does.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V times_sigmoid(D d, V x, V u) {
  return hn::Div(x, hn::Add(hn::Set(d, 1.0f), exp_clamped(d, hn::Neg(u))));
}

// x * Phi(x), Phi the normal distribution: x/2 (2 - erfc(|x|/sqrt 2)) or x/2 erfc(|x|/sqrt 2) by sign. erfc(z) is
// t e^(-z^2) times a polynomial in t = 1/(1 + z/2), fitted for z in [0, 10] to a relative error below 1e-7.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V gelu_erf(D d, V x) {
  const V z = hn::Mul(hn::Abs(x), hn::Set(d, 0.70710678f));
  const V t = hn::Div(hn::Set(d, 1.0f), hn::MulAdd(z, hn::Set(d, 0.5f), hn::Set(d, 1.0f)));
  V q = hn::Set(d, 4.319614697e-02f);
  q = hn::MulAdd(q, t, hn::Set(d, -2.325668707e-01f));
  q = hn::MulAdd(q, t, hn::Set(d, 4.827945545e-01f));
  q = hn::MulAdd(q, t, hn::Set(d, -4.314958489e-01f));
  q = hn::MulAdd(q, t, hn::Set(d, 1.038652659e-01f));
  q = hn::MulAdd(q, t, hn::Set(d, -3.824285599e-02f));
  q = hn::MulAdd(q, t, hn::Set(d, 8.362099142e-02f));
  q = hn::MulAdd(q, t, hn::Set(d, 1.782275445e-01f));
  q = hn::MulAdd(q, t, hn::Set(d, 2.463636855e-01f));
  q = hn::MulAdd(q, t, hn::Set(d, 2.821446789e-01f));
  q = hn::MulAdd(q, t, hn::Set(d, 2.820927258e-01f));
  const V tail = hn::Mul(hn::Mul(t, q), exp_clamped(d, hn::Neg(hn::Mul(z, z))));
  const V half = hn::Mul(x, hn::Set(d, 0.5f));
  const V weight = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(hn::Set(d, 2.0f), tail));
  return hn::Mul(half, weight);
}

template <ops::Activation kActivation, class D, class V = hn::Vec<D>>
HWY_INLINE V activate([[maybe_unused]] D d, V x) {
  if constexpr (kActivation == ops::Activation::kSilu) return times_sigmoid(d, x, x);
  if constexpr (kActivation == ops::Activation::kQuickGelu) {
    return times_sigmoid(d, x, hn::Mul(x, hn::Set(d, 1.702f)));
  }
  if constexpr (kActivation == ops::Activation::kGeluTanh) {
    // (1 + tanh u)/2 = sigmoid(2u)
    const V inner = hn::MulAdd(hn::Mul(hn::Mul(x, x), hn::Set(d, 0.044715f)), x, x);
    return times_sigmoid(d, x, hn::Mul(inner, hn::Set(d, 1.59576912f)));
  }
  if constexpr (kActivation == ops::Activation::kGeluErf) return gelu_erf(d, x);
  return x;
}

// Calls body(constant) with the activation as a compile-time constant.
template <class Body>
HWY_INLINE void with_activation(ops::Activation activation, const Body& body) {
  using ops::Activation;
  switch (activation) {
    case Activation::kNone:
      return body(std::integral_constant<Activation, Activation::kNone>());
    case Activation::kSilu:
      return body(std::integral_constant<Activation, Activation::kSilu>());
    case Activation::kGeluTanh:
      return body(std::integral_constant<Activation, Activation::kGeluTanh>());
    case Activation::kGeluErf:
      return body(std::integral_constant<Activation, Activation::kGeluErf>());
    case Activation::kQuickGelu:
      return body(std::integral_constant<Activation, Activation::kQuickGelu>());
  }
}

// Elements [i, i + L) of a bf16 array, widened.
template <class D>
HWY_INLINE hn::Vec<D> load_bf16(D d, const std::uint16_t* from) {
  const hn::RebindToUnsigned<D> du;
  const hn::Rebind<std::uint16_t, D> d16;
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du, hn::LoadU(d16, from))));
}

// Stores rounded to nearest, ties to even; NaN stays NaN.
template <class D>
HWY_INLINE void store_bf16(D, hn::Vec<D> value, std::uint16_t* to) {
  const hn::RebindToUnsigned<D> du;
  const hn::Rebind<std::uint16_t, D> d16;
  const auto word = hn::BitCast(du, value);
  const auto tie_to_even = hn::And(hn::ShiftRight<16>(word), hn::Set(du, 1u));
  const auto rounded = hn::Add(hn::Add(word, hn::Set(du, 0x7FFFu)), tie_to_even);
  const auto quiet = hn::Or(word, hn::Set(du, 0x400000u));
  const auto bits = hn::IfThenElse(hn::RebindMask(du, hn::Ne(value, value)), quiet, rounded);
  hn::StoreU(hn::TruncateTo(d16, hn::ShiftRight<16>(bits)), d16, to);
}

// The same for f32 or bf16, by the type of the address.
template <class D>
HWY_INLINE hn::Vec<D> load_element(D d, const float* from) {
  return hn::LoadU(d, from);
}
template <class D>
HWY_INLINE hn::Vec<D> load_element(D d, const std::uint16_t* from) {
  return load_bf16(d, from);
}
template <class D>
HWY_INLINE void store_element(D d, hn::Vec<D> value, float* to) {
  hn::StoreU(value, d, to);
}
template <class D>
HWY_INLINE void store_element(D d, hn::Vec<D> value, std::uint16_t* to) {
  store_bf16(d, value, to);
}

}  // namespace steadyflux::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
