#include "pipeline/bench/stability.h"

#include <gtest/gtest.h>

namespace steadyflux::bench {
namespace {

TEST(Stability, TheSlopeIsThatOfMostPairs) {
  const std::vector<double> rising = {100, 101, 102, 103, 104};
  EXPECT_NEAR(theil_sen_percent(rising), 100.0 / 102, 1e-9);
  const std::vector<double> outlier = {100, 100, 500, 100, 100, 100};
  EXPECT_EQ(theil_sen_percent(outlier), 0);
}

TEST(Stability, TheEndsAreComparedByMedians) {
  const std::vector<double> values = {1, 1, 1, 1, 9, 5, 2, 2, 2, 2, 9};
  EXPECT_EQ(last_to_first(values), 2);
  EXPECT_EQ(last_to_first(std::vector<double>{4, 6}), 1.5);
}

TEST(Stability, ASlowMachineIsNoSlowRun) {
  std::vector<StabilityRun> runs(3);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    runs[i].probe_seconds = i == 1 ? 2 : 1;
    runs[i].seconds = 10 * runs[i].probe_seconds;
  }
  EXPECT_EQ(normalised_seconds(runs), (std::vector<double>{10, 10, 10}));
}

TEST(Stability, TheSpanIsFromEndToEnd) { EXPECT_EQ(span_of(std::vector<std::uint64_t>{5, 3, 9}), 6u); }

}  // namespace
}  // namespace steadyflux::bench
