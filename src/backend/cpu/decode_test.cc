#include "backend/cpu/decode.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "base/bf16.h"
#include "base/half.h"
#include "tensor/codec.h"
#include "tensor/encode/for_each_target.h"

namespace steadyflux::cpu {
namespace {

constexpr std::int64_t kRows = 7;
constexpr std::int64_t kColumns = 1280;

// A matrix of random codes with its scales.
class Matrix {
 public:
  Matrix(DType type, bool nested) : bytes_(bytes_of(type, kRows * kColumns)), scales_(kRows * kColumns / 64) {
    std::mt19937 random(static_cast<unsigned>(type) + 1);
    // Pairs of bytes that are finite as f16 numbers, subnormal ones among them, wherever a type keeps its scales.
    for (std::size_t i = 0; i + 1 < bytes_.size(); i += 2) {
      auto half = static_cast<std::uint16_t>(random());
      if ((half & 0x7C00) == 0x7C00) half ^= 0x4000;
      std::memcpy(&bytes_[i], &half, sizeof half);
    }
    for (float& scale : scales_) scale = static_cast<float>(random() >> 8) * 0x1p-24f;
    for (std::byte& code : codes_) code = static_cast<std::byte>(random());
    tensor = Tensor(bytes_.data(), type, {kRows, kColumns});
    if (!has_scales_apart(type)) return;
    auto* scales = reinterpret_cast<std::byte*>(scales_.data());
    tensor.scales.values = nested ? codes_ : scales;
    if (nested) {
      tensor.scales.nested = scales;
      tensor.scales.offset = 0.3f;
    }
  }

  Tensor tensor;

 private:
  std::vector<std::byte> bytes_;
  std::vector<float> scales_;
  std::byte codes_[kRows * kColumns / 64];
};

// Compares runs of a view of every length with the codec's values, as f32 and bf16.
void expect_the_codecs_bits(const Tensor& matrix, std::int64_t unit) {
  std::vector<float> expected(kColumns);
  std::vector<float> got(kColumns);
  std::vector<BFloat16> got_bf16(kColumns);
  for (std::int64_t row = 0; row < matrix.dim(0); ++row) {
    const std::int64_t column = unit * (row % 2);
    for (std::int64_t count = unit; column + count <= matrix.dim(1); count += unit) {
      codec::decode_row(matrix, row, column, count, expected.data());
      decode_run(matrix, row, column, count, reinterpret_cast<std::byte*>(got.data()), DType::kF32);
      decode_run(matrix, row, column, count, reinterpret_cast<std::byte*>(got_bf16.data()), DType::kBF16);
      const auto size = static_cast<std::size_t>(count);
      ASSERT_EQ(std::memcmp(got.data(), expected.data(), size * sizeof(float)), 0)
          << dtype_name(matrix.dtype) << " row " << row << " count " << count;
      for (std::size_t i = 0; i < size; ++i) {
        ASSERT_EQ(got_bf16[i], bf16_from_float(expected[i])) << dtype_name(matrix.dtype) << " element " << i;
      }
    }
  }
}

TEST(Decode, HasTheCodecsBitsForEveryTypeAndInstructionSet) {
  for_each_target([] {
    for (std::size_t i = 0; i < kNumDTypes; ++i) {
      const auto type = static_cast<DType>(i);
      if (!is_quantised(type)) continue;
      const std::int64_t block = block_shape(type).elements;
      for (const bool nested : {false, true}) {
        if (nested && !has_scales_apart(type)) continue;
        const Matrix matrix(type, nested);
        expect_the_codecs_bits(matrix.tensor, block);
        expect_the_codecs_bits(matrix.tensor.rows(1, kRows - 1).cols(256, 768), block);
      }
    }
  });
}

TEST(Decode, HasTheCodecsBitsForRowsOfI8OfAnyLength) {
  for_each_target([] {
    const Matrix matrix(DType::kI8, false);
    expect_the_codecs_bits(matrix.tensor.cols(3, 50), 1);
    expect_the_codecs_bits(matrix.tensor.rows(2, 3), 321);
  });
}

TEST(Decode, ConvertsTypesThatAreNotQuantised) {
  std::vector<float> values(2 * 33);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) / 7;
  const Tensor matrix(reinterpret_cast<std::byte*>(values.data()), DType::kF32, {2, 33});
  expect_the_codecs_bits(matrix, 11);
}

}  // namespace
}  // namespace steadyflux::cpu
