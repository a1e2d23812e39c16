#include "backend/cpu/softmax.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/softmax.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "backend/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace steadyflux::cpu::HWY_NAMESPACE {
namespace {

// Scales and biases in place; the largest result.
float scale_and_bias(float* scores, std::size_t count, float scale, const float* bias) {
  const Floats d;
  auto running = hn::Set(d, -std::numeric_limits<float>::infinity());
  const std::size_t lanes = hn::Lanes(d);
  float tail = -std::numeric_limits<float>::infinity();
  for_lanes(count, [&](auto dd, std::size_t i) HWY_ATTR {
    auto score = hn::Mul(hn::LoadU(dd, scores + i), hn::Set(dd, scale));
    if (bias != nullptr) score = hn::Add(score, hn::LoadU(dd, bias + i));
    hn::StoreU(score, dd, scores + i);
    if constexpr (std::is_same_v<decltype(dd), Floats>) {
      running = hn::Max(running, score);
    } else {
      tail = std::max(tail, hn::GetLane(score));
    }
  });
  return count < lanes ? tail : std::max(tail, hn::GetLane(hn::MaxOfLanes(d, running)));
}

float exponentials_f32(const float* scores, std::size_t count, float maximum, float* weights) {
  return sum_lanes(count, [=](auto d, std::size_t i) HWY_ATTR {
    const auto weight = exp_clamped(d, hn::Sub(hn::LoadU(d, scores + i), hn::Set(d, maximum)));
    hn::StoreU(weight, d, weights + i);
    return weight;
  });
}

float exponentials_bf16(const float* scores, std::size_t count, float maximum, std::uint16_t* weights) {
  return sum_lanes(count, [=](auto d, std::size_t i) HWY_ATTR {
    const auto weight = exp_clamped(d, hn::Sub(hn::LoadU(d, scores + i), hn::Set(d, maximum)));
    store_bf16(d, weight, weights + i);
    return weight;
  });
}

float exponential(float x) {
  const OneFloat d;
  return hn::GetLane(exp_clamped(d, hn::Set(d, x)));
}

void scale_floats(float* row, std::size_t count, float factor) {
  for_lanes(count, [=](auto d, std::size_t i)
                       HWY_ATTR { hn::StoreU(hn::Mul(hn::LoadU(d, row + i), hn::Set(d, factor)), d, row + i); });
}

}  // namespace
}  // namespace steadyflux::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace steadyflux::cpu {
namespace {
HWY_EXPORT(scale_and_bias);
HWY_EXPORT(exponentials_f32);
HWY_EXPORT(exponentials_bf16);
HWY_EXPORT(exponential);
HWY_EXPORT(scale_floats);
}  // namespace

float softmax_chunk(float* scores, std::int64_t valid, std::int64_t count, float scale, const float* bias,
                    RunningSoftmax& state, void* weights, DType dtype) {
  const auto num_valid = static_cast<std::size_t>(valid);
  const auto num_masked = static_cast<std::size_t>(count - valid);
  const float previous = state.maximum;
  const bool first = state.sum == 0;
  if (valid > 0) {
    const float largest = HWY_DYNAMIC_DISPATCH(scale_and_bias)(scores, num_valid, scale, bias);
    state.maximum = first ? largest : std::max(previous, largest);
  }
  float sum = 0;
  if (dtype == DType::kF32) {
    auto* out = static_cast<float*>(weights);
    if (valid > 0) sum = HWY_DYNAMIC_DISPATCH(exponentials_f32)(scores, num_valid, state.maximum, out);
    std::fill_n(out + num_valid, num_masked, 0.0f);
  } else {
    auto* out = static_cast<std::uint16_t*>(weights);
    if (valid > 0) sum = HWY_DYNAMIC_DISPATCH(exponentials_bf16)(scores, num_valid, state.maximum, out);
    std::fill_n(out + num_valid, num_masked, std::uint16_t{0});
  }
  const float correction =
      first || previous == state.maximum ? 1.0f : HWY_DYNAMIC_DISPATCH(exponential)(previous - state.maximum);
  state.sum = state.sum * correction + sum;
  return correction;
}

void scale_row(float* row, std::int64_t count, float factor) {
  HWY_DYNAMIC_DISPATCH(scale_floats)(row, static_cast<std::size_t>(count), factor);
}

}  // namespace steadyflux::cpu
#endif
