// The hot operations beside the matrix library, on one thread. The limits lie well above what is usual (said beside
// each) and well below what an operation takes when it has fallen to a slow path.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/library_conv.h"
#include "backend/cpu/library_gemm.h"
#include "backend/cpu/matmul.h"
#include "pipeline/bench/synthetic_values.h"
#include "pipeline/bench/weights_bench.h"

namespace steadyflux::bench {
namespace {

constexpr int kRounds = 9;

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// The median over rounds of the time of `work` over that of `yardstick`, in turns.
double ratio(const std::function<void()>& work, const std::function<void()>& yardstick) {
  work();
  yardstick();
  std::vector<double> ratios;
  for (int i = 0; i < kRounds; ++i) {
    const double seconds = seconds_of(work);
    ratios.push_back(seconds / seconds_of(yardstick));
  }
  return median(ratios);
}

class Speed : public testing::Test {
 protected:
  // A tensor of nearly normal values.
  Tensor tensor(DType dtype, const Shape& shape) {
    regions_.push_back(backend_->reserve(tensor_bytes(dtype, shape)));
    const Tensor result(regions_.back()->data(), dtype, shape);
    fill_values({.key = sequence_key(regions_.size(), "operand")}, 0, dtype, {result.data, result.num_bytes()});
    return result;
  }

  std::function<void()> runs(const ops::Op& op) {
    regions_.push_back(backend_->reserve(backend_->scratch_bytes(op)));
    const std::span<std::byte> scratch(regions_.back()->data(), regions_.back()->size_bytes());
    return [this, op, scratch] { backend_->run(op, scratch); };
  }

  // The library's product [m, k] x [k, n] in f32.
  std::function<void()> library_product(std::int64_t m, std::int64_t n, std::int64_t k) {
    const Tensor x = tensor(DType::kF32, {m, k});
    const Tensor w = tensor(DType::kF32, {n, k});
    const Tensor y = tensor(DType::kF32, {m, n});
    const auto product = std::make_shared<cpu::LibraryGemm>(cpu::LibraryGemmShape{m, n, k, DType::kF32}, 1,
                                                            std::span<const std::byte>(w.data, w.num_bytes()));
    return [=] { product->run({x.data, x.num_bytes()}, {y.data, y.num_bytes()}); };
  }

  std::unique_ptr<Backend> backend_ = make_cpu_backend({.num_threads = 1});
  std::vector<std::unique_ptr<Region>> regions_;
};

constexpr std::int64_t kRows = 512;
constexpr std::int64_t kWidth = 1536;

TEST_F(Speed, LinearLayersReachTheLibrarysRate) {
  const ops::LinearPart part = {.linear = {.weight = tensor(DType::kBF16, {kWidth, kWidth})},
                                .out = tensor(DType::kF32, {kRows, kWidth})};
  const auto layer = runs(ops::LinearMany{tensor(DType::kF32, {kRows, kWidth}), {&part, 1}});
  EXPECT_LT(ratio(layer, library_product(kRows, kWidth, kWidth)), 1.4) << "usually 1.0 to 1.1";
}

TEST_F(Speed, QuantisedWeightsTakeTheTimeOfBf16) {
  WeightsBench bench(*backend_, {kRows, kWidth, kWidth}, DType::kBF16,
                     {DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4K, DType::kQ6K, DType::kNf4});
  for (int i = 0; i < kRounds; ++i) bench.run_round();
  for (std::size_t i = 1; i < bench.types().size(); ++i) {
    EXPECT_LT(bench.ratio(i), 1.25) << dtype_name(bench.types()[i]) << ", usually 0.96 to 1.04";
  }
}

// Where the processor multiplies no bytes, words of 16 bits are multiplied, whatever f32 products take.
TEST_F(Speed, ProductsInIntegersTakeHalfTheTimeWhereBytesAreMultiplied) {
  const Tensor x = tensor(DType::kF32, {kRows, kWidth});
  ops::LinearPart part = {.linear = {.weight = tensor(DType::kBF16, {kWidth, kWidth})},
                          .out = tensor(DType::kF32, {kRows, kWidth})};
  part.compute = ops::Compute::kInt8;
  const auto layer = runs(ops::LinearMany{x, {&part, 1}});
  const double limit = cpu::has_int8_products() ? 0.6 : 1.4;
  EXPECT_LT(ratio(layer, library_product(kRows, kWidth, kWidth)), limit)
      << "usually 0.3; in words 0.6 beside AVX2's products, 1.15 beside AVX-512's";
}

TEST_F(Speed, AttentionReachesMostOfTheLibrarysRate) {
  constexpr std::int64_t kTokens = 1024;
  constexpr std::int64_t kHeads = 2;
  constexpr std::int64_t kHeadDim = 128;
  const auto heads = [&] { return tensor(DType::kBF16, {kTokens, kHeads, kHeadDim}); };
  const auto attention = runs(ops::Attention{.q = heads(), .k = heads(), .v = heads(), .scale = 0.09f, .out = heads()});
  // As many operations as the two products of attention.
  const auto product = library_product(kTokens, kTokens, 2 * kHeads * kHeadDim);
  EXPECT_LT(ratio(attention, product), 2) << "usually 1.2";
}

TEST_F(Speed, ConvolutionsTakeLessThanTheLibrarysDirectOnes) {
  constexpr std::int64_t kSide = 64;
  constexpr std::int64_t kChannels = 256;
  const auto conv = runs(ops::Conv2d{.x = tensor(DType::kF32, {kSide, kSide, kChannels}),
                                     .weight = tensor(DType::kF32, {kChannels, kChannels, 3, 3}),
                                     .pad_top = 1,
                                     .pad_left = 1,
                                     .pad_bottom = 1,
                                     .pad_right = 1,
                                     .out = tensor(DType::kF32, {kSide, kSide, kChannels})});
  cpu::LibraryConv library({kSide, kSide, kChannels, kChannels, 3, 1, DType::kF32}, 1);
  std::vector<std::byte> x(library.x_bytes()), weights(library.weights_bytes()), y(library.y_bytes());
  EXPECT_LT(ratio(conv, [&] { library.run(x, weights, y); }), 0.85) << "usually 0.6";
}

}  // namespace
}  // namespace steadyflux::bench
