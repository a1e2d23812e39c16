#include "tensor/codec.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "base/bf16.h"
#include "base/error.h"
#include "base/half.h"
#include "tensor/codec_goldens.h"

namespace steadyflux::codec {
namespace {

TEST(Codec, DecodesWithTheBitsOfThePackages) {
  int num_types = 0;
  for (const Golden& golden : goldens("decode")) {
    const DType type = parse_dtype(golden.type).value();
    const Bytes& expected = golden.fields.back();
    std::vector<float> values(expected.size() / sizeof(float));
    const auto count = static_cast<std::int64_t>(values.size());
    if (has_scales_apart(type)) {
      decode(type, golden.fields[0].data(), as<float>(golden.fields[1]).data(), count, values.data());
    } else {
      decode(type, golden.fields[0].data(), count, values.data());
    }
    EXPECT_EQ(bytes_of_all(values), expected) << golden.type;
    ++num_types;
  }
  EXPECT_EQ(num_types, 14);
}

TEST(Codec, TablesHaveTheBitsOfThePackage) {
  for (const Golden& golden : goldens("table")) {
    const std::vector<float> expected = as<float>(golden.fields[0]);
    if (golden.type == "nested") {
      EXPECT_EQ(std::vector<float>(nested_scale_codes().begin(), nested_scale_codes().end()), expected);
    } else {
      const auto codes = four_bit_codes(parse_dtype(golden.type).value());
      EXPECT_EQ(std::vector<float>(codes.begin(), codes.end()), expected) << golden.type;
    }
  }
}

TEST(Codec, ReadsNestedScalesAsThePackageDoes) {
  Golden golden = goldens("unnest").at(0);
  const std::vector<float> expected = as<float>(golden.fields[3]);
  const auto count = static_cast<std::int64_t>(expected.size());
  Bytes weights(bytes_of(DType::kNf4, count * 64));
  Tensor weight(weights.data(), DType::kNf4, {count, 64});
  weight.scales = {golden.fields[0].data(), golden.fields[1].data(), as<float>(golden.fields[2]).at(0), 0};
  for (std::int64_t i = 0; i < count; ++i) {
    ASSERT_EQ(scale_at(weight, i), expected[static_cast<std::size_t>(i)]) << i;
    ASSERT_EQ(scale_at(weight.rows(i, 1), 0), expected[static_cast<std::size_t>(i)]) << i;
  }
}

constexpr DType kInside[] = {DType::kQ8_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,  DType::kQ2K,
                             DType::kQ3K,  DType::kQ4K,  DType::kQ5K,  DType::kQ6K,  DType::kIq4Nl, DType::kIq4Xs};

// Bytes that are valid blocks of any type: f16 scales of small magnitude wherever they may lie.
Bytes random_blocks(std::size_t count) {
  std::mt19937 random(3);
  Bytes bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() & 0x3F);
  return bytes;
}

TEST(Codec, DecodesPartsOfRowsOfEveryTypeThroughViews) {
  constexpr std::int64_t kRows = 5;
  constexpr std::int64_t kColumns = 1024;
  std::vector<DType> types = {DType::kI8, DType::kNf4, DType::kFp4};
  types.insert(types.end(), std::begin(kInside), std::end(kInside));
  std::vector<float> scales(kRows * kColumns / 64);
  for (std::size_t i = 0; i < scales.size(); ++i) scales[i] = 1.0f + static_cast<float>(i);
  for (const DType type : types) {
    Bytes bytes = random_blocks(bytes_of(type, kRows * kColumns));
    Tensor matrix(bytes.data(), type, {kRows, kColumns});
    if (has_scales_apart(type)) matrix.scales.values = reinterpret_cast<std::byte*>(scales.data());
    std::vector<float> whole(kRows * kColumns);
    if (type == DType::kI8) {
      for (std::size_t i = 0; i < whole.size(); ++i) {
        whole[i] = static_cast<float>(static_cast<std::int8_t>(bytes[i])) * scales[i / kColumns];
      }
    } else if (has_scales_apart(type)) {
      decode(type, bytes.data(), scales.data(), kRows * kColumns, whole.data());
    } else {
      decode(type, bytes.data(), kRows * kColumns, whole.data());
    }
    const Tensor view = matrix.rows(1, 4).cols(256, 512);
    std::vector<float> part(256);
    for (std::int64_t row = 0; row < 4; ++row) {
      decode_row(view, row, 256, 256, part.data());
      const auto begin = whole.begin() + (row + 1) * kColumns + 512;
      ASSERT_EQ(part, std::vector<float>(begin, begin + 256)) << dtype_name(type) << " row " << row;
    }
    if (is_quantised(type)) {
      EXPECT_THROW(decode_row(view, 0, 16, 256, part.data()), Error) << dtype_name(type);
    }
  }
}

TEST(Codec, WidensPlainTypes) {
  std::vector<Half> halves = {half_from_float(0.3f), half_from_float(-2e-5f)};
  std::vector<BFloat16> bf16 = {bf16_from_float(0.3f), bf16_from_float(-2e-5f)};
  std::vector<float> f32 = {0.3f, -2e-5f};
  std::vector<float> got(2);
  decode_row({reinterpret_cast<std::byte*>(halves.data()), DType::kF16, {1, 2}}, 0, 0, 2, got.data());
  EXPECT_EQ(got, (std::vector<float>{round_to_half(0.3f), round_to_half(-2e-5f)}));
  decode_row({reinterpret_cast<std::byte*>(bf16.data()), DType::kBF16, {1, 2}}, 0, 0, 2, got.data());
  EXPECT_EQ(got, (std::vector<float>{round_to_bf16(0.3f), round_to_bf16(-2e-5f)}));
  decode_row({reinterpret_cast<std::byte*>(f32.data()), DType::kF32, {1, 2}}, 0, 0, 2, got.data());
  EXPECT_EQ(got, f32);
}

}  // namespace
}  // namespace steadyflux::codec
