#include "pipeline/bench/weights_bench.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "pipeline/bench/step_bench.h"

namespace steadyflux::bench {
namespace {

TEST(WeightsBench, TimesEveryTypeInEveryRound) {
  const auto backend = processor_backend(1);
  WeightsBench weights(*backend, {3, 5, 256, 1}, DType::kF32, weight_types());
  weights.run_round();
  weights.run_round();
  EXPECT_EQ(weights.types().size(), 18u);
  EXPECT_EQ(weights.ratio(0), 1);
  for (std::size_t i = 0; i < weights.types().size(); ++i) EXPECT_GT(weights.seconds(i), 0);
}

TEST(WeightsBench, RefusesADepthThatIsNoWholeBlocks) {
  const auto backend = processor_backend(1);
  EXPECT_THROW(WeightsBench(*backend, {3, 5, 64, 1}, DType::kF32, {DType::kBF16, DType::kQ4K}), Error);
  EXPECT_NO_THROW(WeightsBench(*backend, {3, 5, 64, 1}, DType::kF32, {DType::kBF16, DType::kQ4_0}));
}

}  // namespace
}  // namespace steadyflux::bench
