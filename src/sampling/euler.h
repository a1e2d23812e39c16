// One Euler step of the flow, and true classifier-free guidance, with the roundings of the reference.
//
// These are the contract and the plain implementation; a backend may fuse them but must keep the bits.
#pragma once

#include <span>
#include <vector>

#include "base/bf16.h"
#include "base/dtype.h"
#include "sampling/schedule.h"

namespace steadyflux::sampling {

// dt of every step, sigmas[i + 1] - sigmas[i], as euler_step uses it in a model of `model_dtype` (kF32, kBF16 or kF16):
// the reference multiplies dt as a tensor of the velocity's dtype.
std::vector<float> step_sizes(const Schedule& schedule, DType model_dtype);

// latents += dt · velocity, product and sum each rounded to float.
void euler_step(float dt, std::span<const float> velocity, std::span<float> latents);

// latents = bf16(latents + bf16(bf16(dt) · velocity)): three roundings, the sum taken in float.
void euler_step(float dt, std::span<const BFloat16> velocity, std::span<BFloat16> latents);

// True classifier-free guidance: velocity = negative + scale · (velocity - negative), each of the three operations
// rounded to the element type; `scale` enters as a float. `velocity` is that of the positive prompt.
void apply_true_cfg(double scale, std::span<const float> negative, std::span<float> velocity);
void apply_true_cfg(double scale, std::span<const BFloat16> negative, std::span<BFloat16> velocity);

}  // namespace steadyflux::sampling
