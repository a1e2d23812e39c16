#include "backend/cpu/int8_rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "base/bf16.h"
#include "tensor/encode/for_each_target.h"

namespace steadyflux::cpu {
namespace {

// bf16 numbers, so that both forms of a row hold the same.
std::vector<float> random_row(std::size_t count) {
  std::mt19937 random(static_cast<unsigned>(count));
  std::normal_distribution<float> normal;
  std::vector<float> row(count);
  for (float& value : row) value = round_to_bf16(normal(random));
  return row;
}

FloatRow row_of(const std::vector<float>& row) { return {reinterpret_cast<const std::byte*>(row.data()), DType::kF32}; }
FloatRow row_of(const std::vector<BFloat16>& row) {
  return {reinterpret_cast<const std::byte*>(row.data()), DType::kBF16};
}

TEST(Int8Rows, AreRoundedHalfToEvenOfTheirLargestMagnitude) {
  for (const std::size_t count : {1u, 7u, 64u, 193u}) {
    const std::vector<float> row = random_row(count);
    float magnitude = 0;
    for (const float value : row) magnitude = std::max(magnitude, std::fabs(value));
    const auto num = static_cast<std::int64_t>(count);
    std::vector<BFloat16> narrow;
    for (const float value : row) narrow.push_back(bf16_from_float(value));
    for_each_target([&] {
      for (const FloatRow& form : {row_of(row), row_of(narrow)}) {
        const Int8Scale scale = int8_scale(form, num);
        EXPECT_EQ(scale.scale, magnitude / 127);
        std::vector<std::uint8_t> x(count);
        std::vector<std::int8_t> w(count);
        std::vector<std::int16_t> words(count);
        integers_of_x(form, num, scale.inverse, x.data());
        const std::int32_t sum = integers_of_weight(form, num, scale.inverse, w.data());
        words_of(form, num, scale.inverse, words.data());
        for (std::size_t i = 0; i < count; ++i) {
          const int expected = static_cast<int>(std::nearbyint(row[i] * (127 / magnitude)));
          EXPECT_EQ(x[i], expected + 128);
          EXPECT_EQ(w[i], expected);
          EXPECT_EQ(words[i], expected);
        }
        EXPECT_EQ(sum, std::accumulate(w.begin(), w.end(), 0));
        EXPECT_EQ(sum_of(w.data(), num), sum);
      }
    });
  }
}

TEST(Int8Rows, ARowOfNextToNothingIsZero) {
  const std::vector<float> row = {0, -1e-38f, 5e-31f};
  for_each_target([&] {
    const Int8Scale scale = int8_scale(row_of(row), 3);
    EXPECT_EQ(scale.scale, 0);
    EXPECT_EQ(scale.inverse, 0);
  });
}

TEST(Int8Rows, ProductsOfWordsAreExact) {
  constexpr std::int64_t kDepth = 4 * kWordsMultiple;
  for (const std::int64_t m : {1, 2, 5}) {
    for (const std::int64_t n : {1, 3, 4, 9}) {
      std::vector<std::int16_t> x(static_cast<std::size_t>(m * kDepth), 127);
      std::vector<std::int16_t> w(static_cast<std::size_t>(n * kDepth), -128);
      for (std::size_t i = 0; i < x.size(); i += 3) x[i] = static_cast<std::int16_t>(i % 255) - 127;
      for (std::size_t i = 0; i < w.size(); i += 5) w[i] = static_cast<std::int16_t>(i % 256) - 128;
      for_each_target([&] {
        std::vector<std::int32_t> y(static_cast<std::size_t>(m * n), 3);
        multiply_words(x.data(), w.data(), m, n, kDepth, false, y.data());
        multiply_words(x.data(), w.data(), m, n, kDepth, true, y.data());
        for (std::int64_t row = 0; row < m; ++row) {
          for (std::int64_t col = 0; col < n; ++col) {
            const auto* x_row = x.data() + row * kDepth;
            const auto* w_row = w.data() + col * kDepth;
            EXPECT_EQ(y[static_cast<std::size_t>(row * n + col)],
                      2 * std::inner_product(x_row, x_row + kDepth, w_row, 0));
          }
        }
      });
    }
  }
}

}  // namespace
}  // namespace steadyflux::cpu
