#include "pipeline/predict.h"

#include <gtest/gtest.h>

namespace steadyflux {
namespace {

constexpr double kDisk = 1e9;
constexpr double kFlops = 1e11;
constexpr double kTraffic = 1e10;

Rates some_rates() {
  Rates rates;
  rates.f32 = {.linear_flops = kFlops, .attention_flops = kFlops, .conv_flops = kFlops, .other_bytes = kTraffic};
  rates.bf16 = rates.f32;
  rates.disk_bytes = kDisk;
  rates.copy_bytes = 4e9;
  rates.touch_bytes = 1e18;
  return rates;
}

// Ten groups of 0.1 GB, one second of the disk, that are computed with in every pass.
class PredictTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kGroups = 10;
  static constexpr std::size_t kGroupBytes = 100'000'000;

  PredictTest() {
    weights_.groups.assign(kGroups, {.name = "block", .weights = {}, .num_bytes = kGroupBytes, .device_bytes = 0});
    stage_.weights = &weights_;
    stage_.residency = resident_everywhere(weights_.groups);
  }

  void stream() { stage_.residency = choose_residency(weights_.groups, 2 * kGroupBytes).value(); }
  void set_passes(std::size_t passes) {
    stage_.passes = passes;
    stage_.equal_passes = static_cast<double>(passes);
  }
  // Of each pass.
  void compute(double seconds) {
    stage_.trace.ops = {{.name = "linear_many", .count = 1, .cost = {seconds * kFlops, 0}}};
  }
  double seconds() const { return predict_seconds(stage_, DType::kBF16, some_rates()); }

  WeightPart weights_;
  StagePlan stage_;
};

TEST_F(PredictTest, WhatStaysIsReadBehindTheFirstPass) {
  set_passes(5);
  compute(3);
  EXPECT_NEAR(seconds(), 15 + 0.1, 1e-6) << "the first of ten groups is waited for";
  compute(0.5);
  EXPECT_NEAR(seconds(), 1 + 0.05 + 4 * 0.5, 1e-6);
}

TEST_F(PredictTest, WhatIsStreamedIsReadBehindEveryPass) {
  stream();
  set_passes(5);
  compute(0.5);
  EXPECT_GE(seconds(), 5);
  EXPECT_LE(seconds(), 5.3);
  compute(3);
  EXPECT_GE(seconds(), 15);
  EXPECT_LE(seconds(), 15.4);
}

TEST_F(PredictTest, ProductsOfFewRowsTakeWhatTheirWeightsTakeToCome) {
  compute(0.001);
  set_passes(1);
  const double before = seconds();
  stage_.trace.ops[0].cost.bytes = 3 * kTraffic;
  EXPECT_GE(seconds(), before + 1.9);
}

TEST_F(PredictTest, MemoryTakesItsFirstTouch) {
  Rates rates = some_rates();
  rates.touch_bytes = 1e9;
  EXPECT_NEAR(predict_seconds(stage_, DType::kBF16, rates), seconds() + 1, 1e-6);
}

}  // namespace
}  // namespace steadyflux
