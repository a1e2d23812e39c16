#include "pipeline/bench/gemm_probe.h"

#include <gtest/gtest.h>

#include <cmath>

#include "backend/cpu/library_gemm.h"
#include "base/bf16.h"
#include "pipeline/bench/synthetic_values.h"

namespace steadyflux::bench {
namespace {

std::vector<float> normal(std::string_view name, std::size_t count) {
  std::vector<float> values(count);
  fill_values({.key = sequence_key(0, name), .mean = 0, .deviation = 1}, 0, values);
  return values;
}

TEST(LibraryGemm, MultipliesByTheTransposedWeights) {
  constexpr std::size_t kM = 5;
  constexpr std::size_t kN = 7;
  constexpr std::size_t kK = 33;
  const auto x = normal("x", kM * kK);
  const auto w = normal("w", kN * kK);
  std::vector<float> y(kM * kN);
  cpu::LibraryGemm gemm({kM, kN, kK, DType::kF32}, 2, std::as_bytes(std::span(w)));
  gemm.run(std::as_bytes(std::span(x)), std::as_writable_bytes(std::span(y)));
  for (std::size_t m = 0; m < kM; ++m) {
    for (std::size_t n = 0; n < kN; ++n) {
      double sum = 0;
      for (std::size_t k = 0; k < kK; ++k) sum += double{x[m * kK + k]} * double{w[n * kK + k]};
      EXPECT_NEAR(y[m * kN + n], sum, 1e-4);
    }
  }
}

TEST(Median, IsTheMiddleValue) {
  EXPECT_EQ(median({3}), 3);
  EXPECT_EQ(median({9, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 9}), 3);
}

TEST(GemmProbe, CountsAShapeAsOftenAsItOccurs) {
  GemmProbe probe({{8, 16, 32, 3}, {4, 4, 4, 1}}, product_dtype(DType::kBF16), 1);
  const double first = probe.run_round();
  EXPECT_GT(first, 0);
  EXPECT_NEAR(first, 3 * probe.seconds(0) + probe.seconds(1), 1e-12);
  probe.run_round();
  EXPECT_NEAR(probe.total_seconds(), 3 * probe.seconds(0) + probe.seconds(1), 1e-12);
  EXPECT_EQ(probe.total_flops(), 2.0 * 8 * 16 * 32 * 3 + 2.0 * 4 * 4 * 4);
}

TEST(GemmProbe, EqualSizesOfOtherTypesAreOneShape) {
  Trace trace;
  trace.gemms.push_back({.rows = 2, .out_features = 3, .in_features = 4, .out = DType::kF32, .count = 5});
  trace.gemms.push_back({.rows = 2, .out_features = 4, .in_features = 3, .out = DType::kF32, .count = 1});
  trace.gemms.push_back({.rows = 2, .out_features = 3, .in_features = 4, .out = DType::kBF16, .count = 2});
  const auto shapes = gemms_of(trace);
  ASSERT_EQ(shapes.size(), 2u);
  EXPECT_EQ(shapes[0].count, 7);
  EXPECT_EQ(shapes[0].m, 2);
  EXPECT_EQ(shapes[0].n, 3);
  EXPECT_EQ(shapes[0].k, 4);
}

}  // namespace
}  // namespace steadyflux::bench
