#include "sampling/euler.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "sampling/golden_test_util.h"
#include "sampling/noise.h"

namespace steadyflux::sampling {
namespace {

constexpr std::size_t kNumLatents = 4096;

template <typename T>
std::vector<T> noise(std::uint64_t seed) {
  std::vector<T> values(kNumLatents);
  TorchGenerator(seed).randn(std::span<T>(values));
  return values;
}

// A denoising loop whose model answers noise, as the goldens describe it.
template <typename T>
std::uint32_t denoise_crc(int num_steps, double true_cfg, DType dtype) {
  SchedulerConfig config;
  config.use_dynamic_shifting = true;
  const Schedule schedule = make_schedule(config, default_sigmas(num_steps), 4096);
  std::vector<T> latents = noise<T>(0);
  std::uint64_t step = 0;
  for (const float dt : step_sizes(schedule, dtype)) {
    std::vector<T> velocity = noise<T>(1000 + step);
    if (true_cfg > 1) apply_true_cfg(true_cfg, std::span<const T>(noise<T>(2000 + step)), std::span<T>(velocity));
    euler_step(dt, std::span<const T>(velocity), std::span<T>(latents));
    ++step;
  }
  return crc32(latents);
}

TEST(Euler, ALoopHasTheBitsOfDiffusers) {
  int num_checked = 0;
  for (std::istringstream& line : golden_lines("euler.txt")) {
    int num_steps = 0;
    double true_cfg = 0;
    std::uint32_t f32 = 0;
    std::uint32_t bf16 = 0;
    line >> num_steps >> true_cfg >> std::hex >> f32 >> bf16;
    EXPECT_EQ(denoise_crc<float>(num_steps, true_cfg, DType::kF32), f32) << line.str();
    EXPECT_EQ(denoise_crc<BFloat16>(num_steps, true_cfg, DType::kBF16), bf16) << line.str();
    ++num_checked;
  }
  EXPECT_EQ(num_checked, 28);
}

TEST(Euler, StepSizesAreRoundedToTheModelsDtype) {
  const Schedule schedule = make_schedule({}, std::vector<double>{1.0, 0.7}, 4096);
  EXPECT_EQ(step_sizes(schedule, DType::kF32), (std::vector<float>{0.7f - 1.0f, -0.7f}));
  EXPECT_EQ(step_sizes(schedule, DType::kBF16), (std::vector<float>{-0.30078125f, -0.69921875f}));
}

TEST(Euler, ACfgScaleOfOneReturnsThePositiveVelocityUpToRounding) {
  const std::vector<float> negative = {0.0f, 1.0f, -2.0f};
  std::vector<float> velocity = {3.0f, 5.0f, 0.5f};
  apply_true_cfg(1.0, negative, std::span<float>(velocity));
  EXPECT_EQ(velocity, (std::vector<float>{3.0f, 5.0f, 0.5f}));
}

TEST(Euler, SpansOfDifferentLengthsAreABug) {
  std::vector<float> latents(3);
  const std::vector<float> velocity(4);
  EXPECT_THROW(euler_step(0.1f, velocity, std::span<float>(latents)), Error);
  EXPECT_THROW(apply_true_cfg(2.0, velocity, std::span<float>(latents)), Error);
}

}  // namespace
}  // namespace steadyflux::sampling
