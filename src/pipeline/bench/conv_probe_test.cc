#include "pipeline/bench/conv_probe.h"

#include <gtest/gtest.h>

#include "backend/cpu/library_conv.h"

namespace steadyflux::bench {
namespace {

// With equal values everywhere, a layout does not matter: what a window sums is a product of three numbers.
TEST(LibraryConv, SumsTheWindow) {
  cpu::LibraryConv conv({1, 1, 16, 16, 3, 1, DType::kF32}, 1);
  const std::vector<float> x(conv.x_bytes() / sizeof(float), 2);
  const std::vector<float> weights(conv.weights_bytes() / sizeof(float), 3);
  std::vector<float> y(conv.y_bytes() / sizeof(float));
  conv.run(std::as_bytes(std::span(x)), std::as_bytes(std::span(weights)), std::as_writable_bytes(std::span(y)));
  EXPECT_EQ(y, std::vector<float>(16, 16 * 2 * 3)) << "all of a window but the middle is padding";
}

TEST(LibraryConv, ReadsTwiceTheResultWithAStrideOfTwo) {
  const cpu::LibraryConv conv({4, 6, 16, 32, 3, 2, DType::kF32}, 1);
  EXPECT_EQ(conv.x_bytes(), 4U * 6 * 4 * 16 * sizeof(float));
  EXPECT_EQ(conv.y_bytes(), 4U * 6 * 32 * sizeof(float));
}

TEST(ConvProbe, CountsAConvolutionAsOftenAsItOccurs) {
  const ConvTotal once = {
      .out_height = 32, .out_width = 32, .in_channels = 64, .out_channels = 64, .kernel = 3, .stride = 1, .count = 1};
  ConvTotal often = once;
  often.count = 1000;
  ConvProbe one({once}, DType::kF32, 1);
  ConvProbe many({often}, DType::kF32, 1);
  EXPECT_GT(one.run_round(), 0);
  EXPECT_GT(many.run_round(), 20 * one.total_seconds());
}

}  // namespace
}  // namespace steadyflux::bench
