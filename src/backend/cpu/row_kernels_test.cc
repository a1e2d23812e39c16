#include "backend/cpu/row_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "backend/cpu/softmax.h"
#include "tensor/encode/for_each_target.h"

namespace steadyflux::cpu {
namespace {

double activate(ops::Activation activation, double x) {
  switch (activation) {
    case ops::Activation::kNone:
      return x;
    case ops::Activation::kSilu:
      return x / (1 + std::exp(-x));
    case ops::Activation::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
    case ops::Activation::kGeluErf:
      return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
    case ops::Activation::kQuickGelu:
      return x / (1 + std::exp(-1.702 * x));
  }
  return 0;
}

TEST(RowKernels, ActivationsAreWithinAFewUnitsOfTheLastPlace) {
  std::vector<float> x;
  for (double value = -30; value <= 30; value += 0.0137) x.push_back(static_cast<float>(value));
  std::vector<float> out(x.size());
  for_each_target([&] {
    for (const auto activation : {ops::Activation::kNone, ops::Activation::kSilu, ops::Activation::kGeluTanh,
                                  ops::Activation::kGeluErf, ops::Activation::kQuickGelu}) {
      add_activate_row(x.data(), nullptr, x.size(), activation, out.data());
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double value = static_cast<double>(x[i]);
        EXPECT_NEAR(out[i], activate(activation, value), 4e-7 * std::fabs(value) + 1e-30)
            << "activation " << static_cast<int>(activation) << " of " << value;
      }
    }
  });
}

TEST(RowKernels, SoftmaxOverChunksIsThatOfTheWhole) {
  constexpr std::int64_t kKeys = 77;
  for_each_target([&] {
    for (const std::int64_t chunk : {std::int64_t{77}, std::int64_t{20}, std::int64_t{1}}) {
      std::vector<float> weights(kKeys);
      std::vector<double> factor(kKeys, 1);
      RunningSoftmax state{0, 0};
      for (std::int64_t begin = 0; begin < kKeys; begin += chunk) {
        const std::int64_t count = std::min(chunk, kKeys - begin);
        for (std::int64_t i = begin; i < begin + count; ++i) {
          weights[static_cast<std::size_t>(i)] = static_cast<float>((i * 37) % 41) - 20;
        }
        float* scores = weights.data() + begin;
        const float correction = softmax_chunk(scores, count, count, 0.5f, nullptr, state, scores, DType::kF32);
        for (std::int64_t i = 0; i < begin; ++i) factor[static_cast<std::size_t>(i)] *= static_cast<double>(correction);
      }
      double sum = 0;
      for (std::int64_t i = 0; i < kKeys; ++i) sum += std::exp(0.5 * static_cast<double>((i * 37) % 41 - 20));
      for (std::int64_t i = 0; i < kKeys; ++i) {
        const auto at = static_cast<std::size_t>(i);
        const double expected = std::exp(0.5 * static_cast<double>((i * 37) % 41 - 20)) / sum;
        EXPECT_NEAR(static_cast<double>(weights[at]) * factor[at] / static_cast<double>(state.sum), expected,
                    1e-6 * expected + 1e-30);
      }
    }
  });
}

TEST(RowKernels, RotationTurnsInterleavedPairs) {
  for_each_target([] {
    for (const std::size_t count : {std::size_t{2}, std::size_t{34}, std::size_t{128}}) {
      std::vector<float> x(count);
      std::vector<float> pe(count);
      for (std::size_t i = 0; i < count; i += 2) {
        x[i] = 1;
        x[i + 1] = static_cast<float>(i);
        pe[i] = std::cos(static_cast<float>(i));
        pe[i + 1] = std::sin(static_cast<float>(i));
      }
      const std::vector<float> before = x;
      rotate_row(x.data(), pe.data(), count);
      for (std::size_t i = 0; i < count; i += 2) {
        EXPECT_NEAR(x[i], before[i] * pe[i] - before[i + 1] * pe[i + 1], 1e-5);
        EXPECT_NEAR(x[i + 1], before[i + 1] * pe[i] + before[i] * pe[i + 1], 1e-5);
      }
    }
  });
}

}  // namespace
}  // namespace steadyflux::cpu
