#include "sampling/euler.h"

#include <cstddef>

#include "base/error.h"
#include "sampling/rounding.h"

namespace steadyflux::sampling {

std::vector<float> step_sizes(const Schedule& schedule, DType model_dtype) {
  ensure(schedule.sigmas.size() == schedule.timesteps.size() + 1, "a schedule has one sigma more than steps");
  std::vector<float> sizes;
  for (std::size_t i = 0; i < schedule.timesteps.size(); ++i) {
    sizes.push_back(round_to_dtype(schedule.sigmas[i + 1] - schedule.sigmas[i], model_dtype));
  }
  return sizes;
}

void euler_step(float dt, std::span<const float> velocity, std::span<float> latents) {
  ensure(velocity.size() == latents.size(), "euler_step: ", velocity.size(), " velocities, ", latents.size(),
         " latents");
  for (std::size_t i = 0; i < latents.size(); ++i) latents[i] += dt * velocity[i];
}

void euler_step(float dt, std::span<const BFloat16> velocity, std::span<BFloat16> latents) {
  ensure(velocity.size() == latents.size(), "euler_step: ", velocity.size(), " velocities, ", latents.size(),
         " latents");
  const float rounded_dt = round_to_bf16(dt);
  for (std::size_t i = 0; i < latents.size(); ++i) {
    const float change = round_to_bf16(rounded_dt * float_from_bf16(velocity[i]));
    latents[i] = bf16_from_float(float_from_bf16(latents[i]) + change);
  }
}

void apply_true_cfg(double scale, std::span<const float> negative, std::span<float> velocity) {
  ensure(negative.size() == velocity.size(), "apply_true_cfg: ", negative.size(), " and ", velocity.size(), " values");
  const auto factor = static_cast<float>(scale);
  for (std::size_t i = 0; i < velocity.size(); ++i) {
    velocity[i] = negative[i] + factor * (velocity[i] - negative[i]);
  }
}

void apply_true_cfg(double scale, std::span<const BFloat16> negative, std::span<BFloat16> velocity) {
  ensure(negative.size() == velocity.size(), "apply_true_cfg: ", negative.size(), " and ", velocity.size(), " values");
  const auto factor = static_cast<float>(scale);
  for (std::size_t i = 0; i < velocity.size(); ++i) {
    const float base = float_from_bf16(negative[i]);
    const float difference = round_to_bf16(float_from_bf16(velocity[i]) - base);
    velocity[i] = bf16_from_float(base + round_to_bf16(factor * difference));
  }
}

}  // namespace steadyflux::sampling
