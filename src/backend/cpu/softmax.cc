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

// The largest of at least one; four running vectors, so that none waits for itself.
float largest(const float* scores, std::size_t count) {
  const Floats d;
  const std::size_t lanes = hn::Lanes(d);
  float result = scores[0];
  std::size_t i = 0;
  if (count >= 4 * lanes) {
    auto largest0 = hn::LoadU(d, scores);
    auto largest1 = hn::LoadU(d, scores + lanes);
    auto largest2 = hn::LoadU(d, scores + 2 * lanes);
    auto largest3 = hn::LoadU(d, scores + 3 * lanes);
    for (i = 4 * lanes; i + 4 * lanes <= count; i += 4 * lanes) {
      largest0 = hn::Max(largest0, hn::LoadU(d, scores + i));
      largest1 = hn::Max(largest1, hn::LoadU(d, scores + i + lanes));
      largest2 = hn::Max(largest2, hn::LoadU(d, scores + i + 2 * lanes));
      largest3 = hn::Max(largest3, hn::LoadU(d, scores + i + 3 * lanes));
    }
    const auto both = hn::Max(hn::Max(largest0, largest1), hn::Max(largest2, largest3));
    result = hn::GetLane(hn::MaxOfLanes(d, both));
  }
  for (; i < count; ++i) result = std::max(result, scores[i]);
  return result;
}

// e^(scale * score - maximum), and their sum.
float exponentials_f32(const float* scores, std::size_t count, float scale, float maximum, float* weights) {
  return sum_lanes(count, [=](auto d, std::size_t i) HWY_ATTR {
    const auto scaled = hn::MulSub(hn::LoadU(d, scores + i), hn::Set(d, scale), hn::Set(d, maximum));
    const auto weight = exp_clamped(d, scaled);
    hn::StoreU(weight, d, weights + i);
    return weight;
  });
}

float exponentials_bf16(const float* scores, std::size_t count, float scale, float maximum, std::uint16_t* weights) {
  return sum_lanes(count, [=](auto d, std::size_t i) HWY_ATTR {
    const auto scaled = hn::MulSub(hn::LoadU(d, scores + i), hn::Set(d, scale), hn::Set(d, maximum));
    const auto weight = exp_clamped(d, scaled);
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
HWY_EXPORT(largest);
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
  // A positive scale changes no order: it need not be applied beforehand.
  const bool scaled = bias != nullptr || scale <= 0;
  if (valid > 0) {
    const float largest = scaled ? HWY_DYNAMIC_DISPATCH(scale_and_bias)(scores, num_valid, scale, bias)
                                 : scale * HWY_DYNAMIC_DISPATCH(largest)(scores, num_valid);
    state.maximum = first ? largest : std::max(previous, largest);
  }
  const float factor = scaled ? 1.0f : scale;
  float sum = 0;
  if (dtype == DType::kF32) {
    auto* out = static_cast<float*>(weights);
    if (valid > 0) sum = HWY_DYNAMIC_DISPATCH(exponentials_f32)(scores, num_valid, factor, state.maximum, out);
    std::fill_n(out + num_valid, num_masked, 0.0f);
  } else {
    auto* out = static_cast<std::uint16_t*>(weights);
    if (valid > 0) sum = HWY_DYNAMIC_DISPATCH(exponentials_bf16)(scores, num_valid, factor, state.maximum, out);
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
