#include "backend/cpu/row_kernels.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/row_kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
// after foreach_target
#include "backend/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace steadyflux::cpu::HWY_NAMESPACE {
namespace {

void layer_norm(const float* x, const float* scale, const float* shift, float scale_offset, float eps,
                std::size_t count, float* out) {
  const float size = static_cast<float>(count);
  const float mean = sum_lanes(count, [=](auto d, std::size_t i) HWY_ATTR { return hn::LoadU(d, x + i); }) / size;
  const float variance = sum_lanes(count,
                                   [=](auto d, std::size_t i) HWY_ATTR {
                                     const auto centred = hn::Sub(hn::LoadU(d, x + i), hn::Set(d, mean));
                                     return hn::Mul(centred, centred);
                                   }) /
                         size;
  const float rstd = 1.0f / std::sqrt(variance + eps);
  for_lanes(count, [=](auto d, std::size_t i) HWY_ATTR {
    const auto normal = hn::Mul(hn::Sub(hn::LoadU(d, x + i), hn::Set(d, mean)), hn::Set(d, rstd));
    const auto factor = hn::Add(hn::LoadU(d, scale + i), hn::Set(d, scale_offset));
    hn::StoreU(hn::MulAdd(normal, factor, hn::LoadU(d, shift + i)), d, out + i);
  });
}

void rms_norm(const float* x, const float* weight, float eps, std::size_t count, float* out) {
  const float mean_square = sum_lanes(count,
                                      [=](auto d, std::size_t i) HWY_ATTR {
                                        const auto value = hn::LoadU(d, x + i);
                                        return hn::Mul(value, value);
                                      }) /
                            static_cast<float>(count);
  const float factor = 1.0f / std::sqrt(mean_square + eps);
  for_lanes(count, [=](auto d, std::size_t i) HWY_ATTR {
    const auto normal = hn::Mul(hn::LoadU(d, x + i), hn::Set(d, factor));
    hn::StoreU(hn::Mul(normal, hn::LoadU(d, weight + i)), d, out + i);
  });
}

void rotate(float* x, const float* pe, std::size_t count) {
  const Floats d;
  const std::size_t step = 2 * hn::Lanes(d);
  std::size_t i = 0;
  for (; i + step <= count; i += step) {
    hn::Vec<Floats> first, second, cosine, sine;
    hn::LoadInterleaved2(d, x + i, first, second);
    hn::LoadInterleaved2(d, pe + i, cosine, sine);
    const auto rotated = hn::Sub(hn::Mul(first, cosine), hn::Mul(second, sine));
    hn::StoreInterleaved2(rotated, hn::Add(hn::Mul(second, cosine), hn::Mul(first, sine)), d, x + i);
  }
  for (; i + 1 < count; i += 2) {
    const float first = x[i];
    x[i] = first * pe[i] - x[i + 1] * pe[i + 1];
    x[i + 1] = x[i + 1] * pe[i] + first * pe[i + 1];
  }
}

void normalise(const float* x, const float* mean, const float* scale, const float* shift, std::size_t pixels,
               std::size_t channels, ops::Activation activation, float* out) {
  with_activation(activation, [&](auto constant) HWY_ATTR {
    for (std::size_t begin = 0; begin < pixels * channels; begin += channels) {
      for_lanes(channels, [=](auto d, std::size_t i) HWY_ATTR {
        const auto centred = hn::Sub(hn::LoadU(d, x + begin + i), hn::LoadU(d, mean + i));
        const auto value = hn::MulAdd(centred, hn::LoadU(d, scale + i), hn::LoadU(d, shift + i));
        hn::StoreU(activate<constant.value>(d, value), d, out + begin + i);
      });
    }
  });
}

void activate_multiply(const float* a, const float* b, std::size_t count, ops::Activation activation, float* out) {
  with_activation(activation, [&](auto constant) HWY_ATTR {
    for_lanes(count, [=](auto d, std::size_t i) HWY_ATTR {
      const auto value = activate<constant.value>(d, hn::LoadU(d, a + i));
      hn::StoreU(hn::Mul(value, hn::LoadU(d, b + i)), d, out + i);
    });
  });
}

void add_activate(const float* a, const float* b, std::size_t count, ops::Activation activation, float* out) {
  with_activation(activation, [&](auto constant) HWY_ATTR {
    for_lanes(count, [=](auto d, std::size_t i) HWY_ATTR {
      auto value = hn::LoadU(d, a + i);
      if (b != nullptr) value = hn::Add(value, hn::LoadU(d, b + i));
      hn::StoreU(activate<constant.value>(d, value), d, out + i);
    });
  });
}

void moments(const float* x, std::size_t pixels, std::size_t channels, double* sums) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> narrow;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t c = 0;
  for (; c + lanes <= channels; c += lanes) {
    auto sum = hn::LoadU(d, sums + c);
    auto squares = hn::LoadU(d, sums + channels + c);
    for (std::size_t p = 0; p < pixels; ++p) {
      const auto value = hn::PromoteTo(d, hn::LoadU(narrow, x + p * channels + c));
      sum = hn::Add(sum, value);
      squares = hn::MulAdd(value, value, squares);
    }
    hn::StoreU(sum, d, sums + c);
    hn::StoreU(squares, d, sums + channels + c);
  }
  for (; c < channels; ++c) {
    for (std::size_t p = 0; p < pixels; ++p) {
      const double value = static_cast<double>(x[p * channels + c]);
      sums[c] += value;
      sums[channels + c] += value * value;
    }
  }
}

}  // namespace
}  // namespace steadyflux::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace steadyflux::cpu {
namespace {
HWY_EXPORT(layer_norm);
HWY_EXPORT(rms_norm);
HWY_EXPORT(rotate);
HWY_EXPORT(normalise);
HWY_EXPORT(activate_multiply);
HWY_EXPORT(add_activate);
HWY_EXPORT(moments);
}  // namespace

void layer_norm_row(const float* x, const float* scale, const float* shift, float scale_offset, float eps,
                    std::size_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(layer_norm)(x, scale, shift, scale_offset, eps, count, out);
}

void rms_norm_row(const float* x, const float* weight, float eps, std::size_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(rms_norm)(x, weight, eps, count, out);
}

void rotate_row(float* x, const float* pe, std::size_t count) { HWY_DYNAMIC_DISPATCH(rotate)(x, pe, count); }

void normalise_channels(const float* x, const float* mean, const float* scale, const float* shift, std::size_t pixels,
                        std::size_t channels, ops::Activation activation, float* out) {
  HWY_DYNAMIC_DISPATCH(normalise)(x, mean, scale, shift, pixels, channels, activation, out);
}

void activate_multiply_row(const float* a, const float* b, std::size_t count, ops::Activation activation, float* out) {
  HWY_DYNAMIC_DISPATCH(activate_multiply)(a, b, count, activation, out);
}

void add_activate_row(const float* a, const float* b, std::size_t count, ops::Activation activation, float* out) {
  HWY_DYNAMIC_DISPATCH(add_activate)(a, b, count, activation, out);
}

void add_moments(const float* x, std::size_t pixels, std::size_t channels, double* sums) {
  HWY_DYNAMIC_DISPATCH(moments)(x, pixels, channels, sums);
}

}  // namespace steadyflux::cpu
#endif
