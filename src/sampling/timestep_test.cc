#include "sampling/timestep.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <string>

#include "base/error.h"
#include "sampling/golden_test_util.h"
#include "sampling/schedule.h"

namespace steadyflux::sampling {
namespace {

std::uint32_t timestep_sweep_crc(DType dtype) {
  std::vector<float> taus;
  for (int i = 0; i <= 100000; ++i) taus.push_back(timestep_tau(static_cast<float>(i) * 0.01f, dtype));
  return crc32(taus);
}

std::uint32_t guidance_sweep_crc(DType dtype) {
  std::vector<float> taus;
  for (int i = 0; i <= 10000; ++i) taus.push_back(guidance_tau(i * 0.01, dtype));
  return crc32(taus);
}

void expect_embedding(float tau, std::istringstream& line) {
  std::array<float, kTimestepEmbeddingSize> embedding{};
  timestep_embedding(tau, embedding);
  for (std::size_t k = 0; k < kTimestepEmbeddingSize; ++k) {
    std::uint32_t bits = 0;
    line >> std::hex >> bits;
    // One unit in the last place of a sine or cosine near 1 is 2^-24; both sides are within one of the true value.
    ASSERT_NEAR(embedding[k], std::bit_cast<float>(bits), 0x1p-24) << tau << " " << k;
  }
}

TEST(Timestep, AgreesWithTheReference) {
  int num_checked = 0;
  for (std::istringstream& line : golden_lines("timestep.txt")) {
    std::string kind;
    line >> kind;
    ++num_checked;
    if (kind == "tau") {
      std::string dtype_word;
      std::uint32_t timestep_crc = 0;
      std::uint32_t guidance_crc = 0;
      line >> dtype_word >> std::hex >> timestep_crc >> guidance_crc;
      const DType dtype = parse_dtype(dtype_word).value();
      EXPECT_EQ(timestep_sweep_crc(dtype), timestep_crc) << dtype_word;
      EXPECT_EQ(guidance_sweep_crc(dtype), guidance_crc) << dtype_word;
    } else {
      float tau = 0;
      line >> tau;
      expect_embedding(tau, line);
    }
    EXPECT_FALSE(line.fail()) << kind;
  }
  EXPECT_EQ(num_checked, 3 + 7);
}

TEST(Timestep, RoundsTwiceInBf16) {
  SchedulerConfig dev;
  dev.use_dynamic_shifting = true;
  std::vector<float> taus;
  for (const float t : make_schedule(dev, default_sigmas(28), 4096).timesteps) {
    taus.push_back(timestep_tau(t, DType::kBF16));
  }
  EXPECT_EQ(taus, (std::vector<float>{1000, 988, 976, 964, 948, 936, 920, 904, 888, 868, 852, 828, 808, 784,
                                      760,  732, 704, 672, 636, 600, 560, 512, 462, 408, 344, 274, 195, 104.5}));
  EXPECT_EQ(timestep_tau(750.0f, DType::kBF16), 752.0f);
  EXPECT_EQ(timestep_tau(750.0f, DType::kF32), 750.0f);
}

TEST(Timestep, GuidanceIsScaledInTheModelsDtype) {
  EXPECT_EQ(guidance_tau(3.5, DType::kBF16), 3504.0f);
  EXPECT_EQ(guidance_tau(3.5, DType::kF32), 3500.0f);
  EXPECT_EQ(guidance_tau(30.0, DType::kBF16), 29952.0f);
}

TEST(Timestep, RefusesATypeNoModelComputesIn) {
  EXPECT_THROW(timestep_tau(1.0f, DType::kI8), Error);
  EXPECT_THROW(guidance_tau(1.0, DType::kF64), Error);
}

}  // namespace
}  // namespace steadyflux::sampling
