#include "memory/rates.h"

#include <gtest/gtest.h>

#include <vector>

namespace steadyflux {
namespace {

TEST(MedianRates, AreTheMiddleOfEachRateByItself) {
  std::vector<Rates> rounds(3, default_rates(1));
  rounds[0].bf16.linear_flops = 1;
  rounds[1].bf16.linear_flops = 3;
  rounds[2].bf16.linear_flops = 2;
  rounds[1].touch_bytes = 1;
  const Rates rates = median_rates(rounds);
  EXPECT_EQ(rates.bf16.linear_flops, 2);
  EXPECT_EQ(rates.touch_bytes, default_rates(1).touch_bytes);
  EXPECT_EQ(rates.f32.other_bytes, default_rates(1).f32.other_bytes);
  EXPECT_EQ(rates.f32.int8_flops, default_rates(1).f32.int8_flops);
}

}  // namespace
}  // namespace steadyflux
