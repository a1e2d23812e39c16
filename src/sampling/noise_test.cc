#include "sampling/noise.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <fstream>
#include <ios>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "sampling/golden_test_util.h"

namespace steadyflux::sampling {
namespace {

template <typename T>
std::uint32_t drawn_crc(TorchGenerator& generator, std::size_t size, std::uint32_t crc) {
  std::vector<T> noise(size);
  generator.randn(std::span<T>(noise));
  return crc32(noise, crc);
}

template <typename T>
std::uint32_t fresh_crc(std::uint64_t seed, const std::vector<std::size_t>& sizes) {
  std::uint32_t crc = 0;
  for (const std::size_t size : sizes) {
    TorchGenerator generator(seed);
    crc = drawn_crc<T>(generator, size, crc);
  }
  return crc;
}

TEST(Noise, HasTheBitsOfTorchForEverySeedAndSize) {
  std::ifstream file("tests/golden/data/noise/noise_crc.json");
  const auto goldens = nlohmann::json::parse(file);
  const auto sizes = goldens.at("sizes").get<std::vector<std::size_t>>();
  ASSERT_GE(sizes.size(), 200u);
  ASSERT_GE(goldens.at("runs").size(), 200u);
  for (const auto& run : goldens.at("runs")) {
    const auto seed = run.at("seed").get<std::uint64_t>();
    const std::uint32_t crc =
        run.at("dtype") == "f32" ? fresh_crc<float>(seed, sizes) : fresh_crc<BFloat16>(seed, sizes);
    EXPECT_EQ(crc, run.at("crc32").get<std::uint32_t>()) << run;
  }
}

TEST(Noise, ALaterDrawContinuesTheGenerator) {
  int num_checked = 0;
  for (std::istringstream& line : golden_lines("noise_stream.txt")) {
    std::uint64_t seed = 0;
    std::uint32_t expected = 0;
    line >> seed >> std::hex >> expected;
    TorchGenerator generator(seed);
    std::uint32_t crc = 0;
    for (std::size_t size = 1; size <= 40; ++size) {
      crc = size % 2 == 1 ? drawn_crc<float>(generator, size, crc) : drawn_crc<BFloat16>(generator, size, crc);
    }
    EXPECT_EQ(crc, expected) << "seed " << seed;
    ++num_checked;
  }
  EXPECT_EQ(num_checked, 5);
}

TEST(Noise, SeedZeroStartsAsEveryoneKnowsIt) {
  std::array<float, 16> noise{};
  torch_randn(0, noise);
  EXPECT_FLOAT_EQ(noise[0], -1.1258398f);
  EXPECT_FLOAT_EQ(noise[1], -1.1523602f);
  EXPECT_FLOAT_EQ(noise[15], -0.24727815f);
}

TEST(Noise, Bf16IsTheRoundedFloatNoiseForWholeBlocks) {
  std::array<float, 4096> wide{};
  std::array<BFloat16, 4096> narrow{};
  torch_randn(42, wide);
  torch_randn_bf16(42, narrow);
  for (std::size_t i = 0; i < wide.size(); ++i) ASSERT_EQ(narrow[i], bf16_from_float(wide[i])) << i;
}

TEST(Noise, AnEmptyDrawTakesNothingFromTheGenerator) {
  TorchGenerator generator(3);
  generator.randn(std::span<float>());
  std::array<float, 5> after{};
  std::array<float, 5> fresh{};
  generator.randn(std::span<float>(after));
  torch_randn(3, fresh);
  EXPECT_EQ(after, fresh);
}

}  // namespace
}  // namespace steadyflux::sampling
