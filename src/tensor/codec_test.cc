#include "tensor/codec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "base/bf16.h"
#include "base/error.h"
#include "base/half.h"

namespace steadyflux::codec {
namespace {

using Bytes = std::vector<std::byte>;

Bytes from_hex(const std::string& text) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

template <typename T>
std::vector<T> as(const Bytes& bytes) {
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

template <typename T>
Bytes bytes_of_all(const std::vector<T>& values) {
  Bytes bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

struct Golden {
  std::string kind;
  std::string type;
  std::vector<Bytes> fields;
};

// The lines of one kind; see tools/reference/make_codec_goldens.py. The tests run in the repository's root.
std::vector<Golden> goldens(const std::string& kind) {
  std::ifstream file("src/tensor/testdata/codecs.txt");
  EXPECT_TRUE(file.is_open());
  std::vector<Golden> found;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Golden golden;
    words >> golden.kind >> golden.type;
    if (golden.kind != kind) continue;
    for (std::string field; words >> field;) golden.fields.push_back(from_hex(field));
    found.push_back(std::move(golden));
  }
  EXPECT_FALSE(found.empty()) << kind;
  return found;
}

std::vector<float> normal_values(std::size_t count, float spread = 0.05f) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0, spread);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

double rms_error(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

std::vector<float> there_and_back(DType type, const std::vector<float>& values) {
  const auto count = static_cast<std::int64_t>(values.size());
  Bytes blocks(bytes_of(type, count));
  std::vector<float> decoded(values.size());
  encode(type, values.data(), count, blocks.data());
  decode(type, blocks.data(), count, decoded.data());
  return decoded;
}

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

TEST(Codec, EncodesWithTheBitsOfThePackages) {
  for (const Golden& golden : goldens("encode")) {
    const DType type = parse_dtype(golden.type).value();
    const std::vector<float> values = as<float>(golden.fields[0]);
    const auto count = static_cast<std::int64_t>(values.size());
    Bytes blocks(golden.fields[1].size());
    if (has_scales_apart(type)) {
      std::vector<float> scales(golden.fields[2].size() / sizeof(float));
      encode(type, values.data(), count, blocks.data(), scales.data());
      EXPECT_EQ(bytes_of_all(scales), golden.fields[2]) << golden.type;
    } else {
      encode(type, values.data(), count, blocks.data());
    }
    EXPECT_EQ(blocks, golden.fields[1]) << golden.type;
  }
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

TEST(Codec, NestsScalesAsThePackageDoes) {
  const Golden golden = goldens("nest").at(0);
  const std::vector<float> scales = as<float>(golden.fields[0]);
  std::vector<std::uint8_t> codes(scales.size());
  std::vector<float> nested(golden.fields[3].size() / sizeof(float));
  const float offset =
      encode_scales(scales.data(), static_cast<std::int64_t>(scales.size()), codes.data(), nested.data());
  EXPECT_EQ(offset, as<float>(golden.fields[1]).at(0));
  EXPECT_EQ(bytes_of_all(codes), golden.fields[2]);
  EXPECT_EQ(bytes_of_all(nested), golden.fields[3]);
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

// ggml's own encoders leave, on 2^20 numbers of a normal distribution, an RMS error of these fractions of its spread;
// these many here give the figure to a fifth of a per cent.
TEST(Codec, KTypesLeaveNoLargerErrorThanGgml) {
  const std::vector<float> values = normal_values(1 << 17, 1.0f);
  EXPECT_LT(rms_error(there_and_back(DType::kQ4K, values), values), 0.08);
  EXPECT_LT(rms_error(there_and_back(DType::kQ5K, values), values), 0.04);
  EXPECT_LT(rms_error(there_and_back(DType::kQ6K, values), values), 0.02);
}

// The largest error that a block may have by its scale alone: half a step of codes spread over the range, plus what the
// scale and the minimum lose by their own rounding (half of 1/63 of the largest in the super-block, for each code).
TEST(Codec, KTypesKeepValuesThatTheyCanRepresent) {
  std::mt19937 random(11);
  for (const DType type : {DType::kQ4K, DType::kQ5K, DType::kQ6K}) {
    // Decoded blocks with full ranges of codes and scales are met again within a small part of a step.
    const std::vector<float> values = there_and_back(type, normal_values(64 * 256));
    const std::vector<float> again = there_and_back(type, values);
    EXPECT_LT(rms_error(again, values), 0.2 * rms_error(values, normal_values(64 * 256))) << dtype_name(type);
  }
}

TEST(Codec, EncodesBlocksWithoutVariety) {
  for (const DType type : kInside) {
    if (!can_encode(type)) continue;
    for (const float level : {0.0f, 0.5f, -0.5f, 1e-30f, -1e-42f}) {
      const std::vector<float> values(256, level);
      for (const float value : there_and_back(type, values)) {
        ASSERT_NEAR(value, level, 0.01 * std::fabs(level) + 1e-7) << dtype_name(type);
      }
    }
    std::vector<float> outlier(256, 0.0f);
    outlier[77] = -4;
    EXPECT_NEAR(there_and_back(type, outlier)[77], -4, 0.05) << dtype_name(type);
    EXPECT_LT(rms_error(there_and_back(type, outlier), outlier), 0.01) << dtype_name(type);
  }
}

TEST(Codec, RefusesWhatItCannotEncode) {
  const auto message = [](DType type, float value) -> std::string {
    std::vector<float> values(256, 1.0f);
    values[130] = value;
    try {
      there_and_back(type, values);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return error.what();
    }
    return "";
  };
  for (const DType type : kInside) {
    if (!can_encode(type)) continue;
    EXPECT_NE(message(type, std::numeric_limits<float>::quiet_NaN()).find("element 130"), std::string::npos);
    EXPECT_NE(message(type, -std::numeric_limits<float>::infinity()).find("element 130"), std::string::npos);
    EXPECT_NE(message(type, 3e38f).find("too large"), std::string::npos) << dtype_name(type);
  }
  EXPECT_FALSE(can_encode(DType::kIq4Nl));
  EXPECT_FALSE(can_encode(DType::kBF16));
  EXPECT_THROW(there_and_back(DType::kQ2K, std::vector<float>(256)), Error);
  EXPECT_THROW(there_and_back(DType::kQ4K, std::vector<float>(128)), Error);
}

TEST(Codec, EncodesRowsOfI8ByTheirLargestMagnitude) {
  const std::vector<float> values = {0.5f, -1.27f, 0.635f, 0.004f, 0.0f, 1.0f};
  std::vector<std::int8_t> codes(values.size());
  const float scale = encode_row_i8(values.data(), static_cast<std::int64_t>(values.size()), codes.data());
  EXPECT_EQ(scale, 1.27f / 127);
  EXPECT_EQ(codes, (std::vector<std::int8_t>{50, -127, 64, 0, 0, 100}));
  const std::vector<float> zeros(4);
  EXPECT_EQ(encode_row_i8(zeros.data(), 4, codes.data()), 0);
  EXPECT_EQ(codes[0], 0);
  const std::vector<float> ties = {127, 0.5f, 1.5f, -2.5f};
  encode_row_i8(ties.data(), 4, codes.data());
  EXPECT_EQ((std::vector<std::int8_t>(codes.begin(), codes.begin() + 4)), (std::vector<std::int8_t>{127, 0, 2, -2}));
}

}  // namespace
}  // namespace steadyflux::codec
