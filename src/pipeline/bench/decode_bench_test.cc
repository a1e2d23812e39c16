#include "pipeline/bench/decode_bench.h"

#include <gtest/gtest.h>

#include "pipeline/bench/step_bench.h"

namespace steadyflux::bench {
namespace {

class NeverCancelled final : public Observer {};

DecodeSetting small_setting() {
  DecodeSetting setting;
  setting.config.block_channels = {16, 32};
  setting.config.layers_per_block = 1;
  setting.config.norm_groups = 4;
  setting.height = 32;
  setting.width = 48;
  return setting;
}

TEST(DecodeBench, TimesEveryModeInEveryRoundAndWhatStandsBeside) {
  const auto backend = processor_backend(1);
  const DecodeSetting setting = small_setting();
  NeverCancelled observer;
  int beside = 0;
  const DecodeMode banded = {.kind = DecodeMode::Kind::kBanded, .band_rows = 8};
  const auto timings = time_decode(*backend, setting, {{}, banded}, 2, observer, [&] { ++beside; });
  EXPECT_EQ(beside, 2);
  ASSERT_EQ(timings.size(), 2u);
  for (const DecodeTiming& timing : timings) {
    EXPECT_EQ(timing.seconds.size(), 2u);
    EXPECT_TRUE(timing.same_picture);
  }
  EXPECT_LT(timings[0].flops, timings[1].flops) << "bands compute rows again";
}

TEST(DecodeBench, ListsTheConvolutionsOfAWholeDecode) {
  const auto backend = processor_backend(1);
  const auto convs = convs_of_decode(*backend, small_setting());
  ASSERT_FALSE(convs.empty());
  EXPECT_EQ(convs.front().in_channels, 16) << "of the latents";
  EXPECT_EQ(convs.front().out_height, 16);
  EXPECT_EQ(convs.back().out_channels, 3);
  EXPECT_EQ(convs.back().out_width, 48);
}

}  // namespace
}  // namespace steadyflux::bench
