// Kernels on rows of f32; callers widen and narrow around them, while a row is in the innermost cache.
#pragma once

#include <cstddef>

#include "ops/ops.h"

namespace steadyflux::cpu {

// out = LN(x) * (scale_offset + scale) + shift; two passes over x. `out` may be x.
void layer_norm_row(const float* x, const float* scale, const float* shift, float scale_offset, float eps,
                    std::size_t count, float* out);

// out = x / sqrt(mean(x^2) + eps) * weight. `out` may be x.
void rms_norm_row(const float* x, const float* weight, float eps, std::size_t count, float* out);

// Rotates each pair (x[2k], x[2k+1]) by the angle of cosine pe[2k] and sine pe[2k+1]. In place; count is even.
void rotate_row(float* x, const float* pe, std::size_t count);

// out = act((x - mean) * scale + shift) for each of `pixels` rows of `channels`, mean, scale and shift by channel.
// `out` may be x.
void normalise_channels(const float* x, const float* mean, const float* scale, const float* shift, std::size_t pixels,
                        std::size_t channels, ops::Activation activation, float* out);

// out = act(a) * b
void activate_multiply_row(const float* a, const float* b, std::size_t count, ops::Activation activation, float* out);

// out = act(a + b); b may be null. `out` may be a or b.
void add_activate_row(const float* a, const float* b, std::size_t count, ops::Activation activation, float* out);

// Adds, for each of `channels` channels, the sum and the sum of squares over `pixels` pixels ([pixels, channels]) to
// sums[0, channels) and sums[channels, 2 * channels).
void add_moments(const float* x, std::size_t pixels, std::size_t channels, double* sums);

}  // namespace steadyflux::cpu
