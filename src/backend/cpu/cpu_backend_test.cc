#include "backend/cpu/cpu_backend.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <vector>

#include "backend/arena.h"
#include "backend/cpu/attention.h"
#include "backend/cpu/conv2d.h"
#include "backend/cpu/linear.h"
#include "base/bf16.h"

namespace steadyflux {
namespace {

// A tensor with its memory and reproducible values in [-1, 1].
class Owned {
 public:
  Owned(DType dtype, const Shape& shape, std::uint32_t seed = 1) : memory_(tensor_bytes(dtype, shape)) {
    tensor = Tensor(memory_.data(), dtype, shape);
    for (std::int64_t i = 0; i < shape.num_elements(); ++i) {
      seed = seed * 1664525u + 1013904223u;
      const float value = static_cast<float>(seed >> 8) * 0x1p-23f - 1.0f;
      if (dtype == DType::kF32) {
        tensor.as<float>()[i] = value;
      } else {
        tensor.as<BFloat16>()[i] = bf16_from_float(value);
      }
    }
  }
  const std::vector<std::byte>& bytes() const { return memory_; }

  Tensor tensor;

 private:
  std::vector<std::byte> memory_;
};

float element(const Tensor& tensor, std::int64_t row, std::int64_t col) {
  const std::int64_t i = row * tensor.row_stride() + col;
  return tensor.dtype == DType::kF32 ? tensor.as<float>()[i] : float_from_bf16(tensor.as<BFloat16>()[i]);
}

void run(Backend& backend, const ops::Op& op) {
  const auto scratch = backend.reserve(backend.scratch_bytes(op));
  backend.run(op, {scratch->data(), scratch->size_bytes()});
}

class CpuBackendTypes : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Types, CpuBackendTypes, ::testing::Values(DType::kF32, DType::kBF16));

// Several groups of row tiles, several column tiles, several strips, all with a last one that is shorter.
TEST_P(CpuBackendTypes, LinearIsRightAndHasTheSameBitsAcrossEveryTileBorder) {
  const std::int64_t rows = 1100, depth = 2100, cols = 200;
  for (const DType weight_type : {DType::kF32, DType::kBF16}) {
    Owned x(GetParam(), {rows, depth + 5});
    Owned weight(weight_type, {cols, depth}, 2);
    const Tensor strided = x.tensor.cols(3, depth);
    std::vector<std::vector<std::byte>> results;
    for (const int threads : {1, 2, 7}) {
      Owned out(DType::kF32, {rows, cols});
      const std::vector<ops::LinearPart> parts{{.linear = {weight.tensor, {}}, .out = out.tensor, .gate = {}}};
      run(*make_cpu_backend({.num_threads = threads}), ops::LinearMany{strided, parts});
      results.push_back(out.bytes());
      for (std::int64_t i = 0; i < rows; i += 53) {
        for (std::int64_t j = 0; j < cols; j += 9) {
          double expected = 0;
          for (std::int64_t k = 0; k < depth; ++k) {
            expected += static_cast<double>(element(strided, i, k)) * static_cast<double>(element(weight.tensor, j, k));
          }
          const double bound = GetParam() == DType::kBF16 ? 0.5 : 1e-4;  // bf16 rounds f32 weights
          EXPECT_NEAR(element(out.tensor, i, j), expected, bound);
        }
      }
    }
    EXPECT_EQ(results[0], results[1]);
    EXPECT_EQ(results[0], results[2]);
  }
}

// A band is convolved with the rows around it that its patches reach into.
TEST_P(CpuBackendTypes, ConvolutionInBandsHasTheBitsOfTheWhole) {
  for (const std::int64_t channels : {24, 64}) {
    const std::int64_t height = 21, width = 19, out_channels = 144, band = 7;
    Owned x(GetParam(), {height, width, channels});
    Owned weight(GetParam(), {out_channels, channels, 3, 3}, 2);
    Owned whole(GetParam(), {height, width, out_channels});
    Owned banded(GetParam(), {height, width, out_channels}, 3);
    const auto backend = make_cpu_backend({.num_threads = 2});
    ops::Conv2d op{.x = x.tensor, .weight = weight.tensor, .bias = {}, .out = whole.tensor};
    op.pad_top = op.pad_bottom = op.pad_left = op.pad_right = 1;
    run(*backend, op);
    for (std::int64_t begin = 0; begin < height; begin += band) {
      const std::int64_t first = std::max<std::int64_t>(0, begin - 1);
      const std::int64_t last = std::min(height, begin + band + 1);
      op.x = x.tensor.rows(first, last - first);
      op.pad_top = begin == 0 ? 1 : 0;
      op.pad_bottom = begin + band == height ? 1 : 0;
      op.first_row = begin;
      op.out = banded.tensor.rows(begin, band);
      run(*backend, op);
    }
    EXPECT_EQ(whole.bytes(), banded.bytes()) << channels << " channels";
  }
}

TEST_P(CpuBackendTypes, ConvolutionOfDoubledBandsHasTheBitsOfTheWhole) {
  const std::int64_t height = 9, width = 6, channels = 64, out_channels = 80;
  Owned x(GetParam(), {height, width, channels});
  Owned weight(GetParam(), {out_channels, channels, 3, 3}, 2);
  Owned whole(GetParam(), {2 * height, 2 * width, out_channels});
  Owned banded(GetParam(), {2 * height, 2 * width, out_channels}, 3);
  const auto backend = make_cpu_backend({.num_threads = 2});
  ops::Conv2d op{.x = x.tensor, .weight = weight.tensor, .bias = {}, .upsample = 2, .out = whole.tensor};
  op.pad_top = op.pad_bottom = op.pad_left = op.pad_right = 1;
  run(*backend, op);
  const std::int64_t begins[] = {0, 5, 11, 18};
  for (int band = 0; band < 3; ++band) {
    const std::int64_t begin = begins[band], end = begins[band + 1];
    const std::int64_t first = std::max<std::int64_t>(begin - 1, 0) / 2;
    const std::int64_t last = std::min(height, (end + 1) / 2);
    op.x = x.tensor.rows(first, last - first);
    op.pad_top = begin == 0 ? 1 : 0;
    op.pad_bottom = end == 2 * height ? 1 : 0;
    op.first_row = begin;
    op.out = banded.tensor.rows(begin, end - begin);
    run(*backend, op);
  }
  EXPECT_EQ(whole.bytes(), banded.bytes());
}

TEST(CpuBackend, MakesNoMoreProductsWhenOperationsRepeat) {
  cpu::Context context(2, cpu::has_bf16_products());
  Owned x(DType::kBF16, {300, 64});
  Owned weight(DType::kBF16, {200, 64});
  Owned out(DType::kBF16, {300, 200});
  Owned image(DType::kBF16, {9, 9, 64});
  Owned filter(DType::kBF16, {8, 64, 3, 3});
  Owned filtered(DType::kBF16, {7, 7, 8});
  const std::vector<ops::LinearPart> parts{{.linear = {weight.tensor, {}}, .out = out.tensor, .gate = {}}};
  const Tensor heads = x.tensor.split_heads(2);
  const auto prepare = [&] {
    cpu::scratch_bytes(context, ops::LinearMany{x.tensor, parts});
    cpu::scratch_bytes(context, ops::Attention{heads, heads, heads, {}, 1, false, heads});
    cpu::scratch_bytes(context,
                       ops::Conv2d{.x = image.tensor, .weight = filter.tensor, .bias = {}, .out = filtered.tensor});
  };
  prepare();
  const std::size_t after_once = context.products.size();
  EXPECT_GT(after_once, 0u);
  for (int i = 0; i < 3; ++i) prepare();
  EXPECT_EQ(context.products.size(), after_once);
}

// A plan is for the longest prompt: shorter ones run in the scratch that it states.
TEST(CpuBackend, FewerRowsNeverNeedMoreScratch) {
  cpu::Context context(7, cpu::has_bf16_products());
  std::byte* const nowhere = Arena::measuring().allocate(1);
  for (const DType activations : {DType::kF32, DType::kBF16}) {
    for (const DType weights : {DType::kF32, DType::kBF16, DType::kQ4_0}) {
      for (const auto& [features, cols] : {std::pair{256, 320}, {3072, 130}, {15360, 256}}) {
        std::size_t last = 0;
        for (const std::int64_t rows :
             {1, 2, 15, 40, 62, 63, 64, 77, 256, 257, 512, 1024, 1025, 1280, 2048, 2049, 2305, 4608}) {
          const std::vector<ops::LinearPart> parts{{.linear = {.weight = Tensor(nowhere, weights, {cols, features})},
                                                    .out = Tensor(nowhere, activations, {rows, cols})}};
          const std::size_t bytes =
              cpu::scratch_bytes(context, ops::LinearMany{Tensor(nowhere, activations, {rows, features}), parts});
          EXPECT_GE(bytes, last) << rows << " rows of " << features << ", " << dtype_name(activations) << " and "
                                 << dtype_name(weights);
          last = bytes;
        }
      }
    }
    for (const auto& [heads, head_dim] : {std::pair{4, 64}, {24, 128}, {1, 512}}) {
      std::size_t last = 0;
      for (const std::int64_t rows :
           {1, 2, 15, 40, 62, 63, 64, 77, 127, 129, 511, 513, 1025, 4608, 5120, 16384, 17000}) {
        const Tensor tensor = Tensor(nowhere, activations, {rows, heads * head_dim}).split_heads(heads);
        const std::size_t bytes =
            cpu::scratch_bytes(context, ops::Attention{tensor, tensor, tensor, {}, 1, false, tensor});
        EXPECT_GE(bytes, last) << rows << " rows of " << heads << " heads, " << dtype_name(activations);
        last = bytes;
      }
    }
  }
}

std::ptrdiff_t num_process_threads() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return std::distance(begin(tasks), end(tasks));
}

TEST(CpuBackend, KnowsWhatTheProcessorMultiplies) {
  const CpuProducts products = cpu_products();
  EXPECT_FALSE(products.instruction_set.empty());
  EXPECT_EQ(products.bf16, products.instruction_set.find("bf16") != std::string::npos ||
                               products.instruction_set.find("amx") != std::string::npos);
}

TEST(CpuBackend, StartsNoThreadsBesideItsPool) {
  const std::ptrdiff_t before = num_process_threads();
  const auto backend = make_cpu_backend({.num_threads = 3});
  Owned x(DType::kF32, {600, 512});
  Owned weight(DType::kF32, {600, 512});
  Owned out(DType::kF32, {600, 600});
  const std::vector<ops::LinearPart> parts{{.linear = {weight.tensor, {}}, .out = out.tensor, .gate = {}}};
  run(*backend, ops::LinearMany{x.tensor, parts});
  EXPECT_EQ(num_process_threads(), before + 2);
}

}  // namespace
}  // namespace steadyflux
