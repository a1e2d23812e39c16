#include "pipeline/bench/synthetic_values.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/bf16.h"
#include "base/half.h"

namespace steadyflux::bench {
namespace {

std::vector<float> values(const ValueSequence& sequence, std::uint64_t first, std::size_t count) {
  std::vector<float> out(count);
  fill_values(sequence, first, out);
  return out;
}

TEST(SyntheticValues, PartsAreThoseOfTheWhole) {
  const ValueSequence sequence{.key = 7, .mean = 0, .deviation = 1};
  const auto whole = values(sequence, 0, 1000);
  const auto part = values(sequence, 300, 200);
  EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + 300));
}

TEST(SyntheticValues, HaveTheStatedMeanAndDeviation) {
  const auto sample = values({.key = sequence_key(1, "weight"), .mean = 1, .deviation = 0.25f}, 0, 1'000'000);
  double mean = 0;
  for (const float value : sample) mean += value;
  mean /= static_cast<double>(sample.size());
  double variance = 0;
  for (const float value : sample) variance += (value - mean) * (value - mean);
  variance /= static_cast<double>(sample.size());
  EXPECT_NEAR(mean, 1, 0.25 * 5 / 1000);  // five standard errors
  EXPECT_NEAR(std::sqrt(variance), 0.25, 0.001);
  const auto [least, most] = std::minmax_element(sample.begin(), sample.end());
  EXPECT_GE(*least, 1 - 0.25 * 3.47);
  EXPECT_LE(*most, 1 + 0.25 * 3.47);
}

TEST(SyntheticValues, AreTheSameOnEveryMachine) {
  const auto sample = values({.key = sequence_key(0, "x_embedder.weight"), .mean = 0, .deviation = 1}, 0, 4);
  EXPECT_EQ(sample, (std::vector<float>{-0.352324784f, -0.326318681f, -0.287415206f, -0.280702233f}));
}

TEST(SyntheticValues, NamesAndSeedsGiveOtherValues) {
  EXPECT_NE(sequence_key(0, "a"), sequence_key(0, "b"));
  EXPECT_NE(sequence_key(0, "a"), sequence_key(1, "a"));
  EXPECT_NE(sequence_key(0, "ab"), sequence_key(0, "ba"));
}

TEST(SyntheticValues, NarrowTypesAreRounded) {
  const ValueSequence sequence{.key = 9, .mean = 0, .deviation = 3};
  const auto wide = values(sequence, 5, 64);
  std::vector<BFloat16> bf16(wide.size());
  std::vector<Half> half(wide.size());
  fill_values(sequence, 5, DType::kBF16, std::as_writable_bytes(std::span(bf16)));
  fill_values(sequence, 5, DType::kF16, std::as_writable_bytes(std::span(half)));
  for (std::size_t i = 0; i < wide.size(); ++i) {
    EXPECT_EQ(bf16[i], bf16_from_float(wide[i]));
    EXPECT_EQ(half[i], half_from_float(wide[i]));
  }
}

}  // namespace
}  // namespace steadyflux::bench
