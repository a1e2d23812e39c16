#include "backend/joined_parts.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "backend/reference/reference_backend.h"

namespace steadyflux {
namespace {

constexpr std::int64_t kRows = 5;
constexpr std::int64_t kDepth = 64;
constexpr std::int64_t kFeatures[] = {32, 16, 48};
constexpr std::int64_t kAllFeatures = 96;

// Three layers of one input in one block of memory each for weights, scales, biases and outputs.
class JoinedPartsTest : public ::testing::TestWithParam<DType> {
 protected:
  JoinedPartsTest() : weights_(tensor_bytes(GetParam(), {kAllFeatures, kDepth})) {
    std::mt19937 random(7);
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (std::vector<float>* values : {&x_, &scales_, &biases_}) {
      for (float& value : *values) value = uniform(random);
    }
    if (GetParam() == DType::kF32) {
      for (std::size_t i = 0; i < weights_.size(); i += sizeof(float)) {
        const float value = uniform(random);
        std::memcpy(&weights_[i], &value, sizeof(value));
      }
    } else {
      // Any bytes are elements, but those of a scale in f16 should be none that is not finite.
      for (std::byte& byte : weights_) byte = static_cast<std::byte>(random() % 64);
    }
    std::size_t at = 0;
    std::int64_t feature = 0;
    for (const std::int64_t features : kFeatures) {
      ops::LinearPart& part = parts_.emplace_back();
      part.linear.weight = {weights_.data() + at, GetParam(), {features, kDepth}};
      at += part.linear.weight.num_bytes();
      if (has_scales_apart(GetParam())) part.linear.weight.scales.values = scales_of(feature);
      part.linear.bias = vector(biases_).rows(feature, features);
      part.out = out_of(out_).cols(feature, features);
      feature += features;
    }
  }

  static Tensor vector(std::vector<float>& values) {
    return {reinterpret_cast<std::byte*>(values.data()), DType::kF32, {static_cast<std::int64_t>(values.size())}};
  }
  static Tensor out_of(std::vector<float>& values) {
    return {reinterpret_cast<std::byte*>(values.data()), DType::kF32, {kRows, kAllFeatures + 1}};
  }
  // Of the weight that begins with that feature.
  std::byte* scales_of(std::int64_t feature) {
    const std::int64_t first = GetParam() == DType::kI8 ? feature : feature * kDepth / block_shape(GetParam()).elements;
    return reinterpret_cast<std::byte*>(scales_.data() + first);
  }

  ops::LinearMany op() { return {{reinterpret_cast<std::byte*>(x_.data()), DType::kF32, {kRows, kDepth}}, parts_}; }
  std::size_t num_joined(PartPlaces places = PartPlaces::kKnown) { return JoinedParts(op(), places).op().parts.size(); }

  std::vector<float> run(const ops::LinearMany& op) {
    std::fill(out_.begin(), out_.end(), -7.0f);
    const auto backend = make_reference_backend();
    std::vector<std::byte> scratch(backend->scratch_bytes(op));
    ops::check(op);
    backend->run(op, scratch);
    return out_;
  }

  std::vector<std::byte> weights_;
  std::vector<float> x_ = std::vector<float>(kRows * kDepth);
  std::vector<float> scales_ = std::vector<float>(kAllFeatures * kDepth);
  std::vector<float> biases_ = std::vector<float>(kAllFeatures);
  std::vector<float> out_ = std::vector<float>(kRows * (kAllFeatures + 1));
  std::vector<ops::LinearPart> parts_;
};

TEST_P(JoinedPartsTest, ComputesTheSameAsOne) {
  const std::vector<float> expected = run(op());
  const JoinedParts joined(op(), PartPlaces::kKnown);
  ASSERT_EQ(joined.op().parts.size(), 1u);
  EXPECT_TRUE(joined.joins_any());
  EXPECT_EQ(run(joined.op()), expected);
}

TEST_P(JoinedPartsTest, WeightsApartAreJoinedInPlansAlone) {
  parts_.erase(parts_.begin() + 1);
  EXPECT_EQ(num_joined(), 2u);
  EXPECT_EQ(num_joined(PartPlaces::kUnknown), 1u);
}

TEST_P(JoinedPartsTest, OnlyNeighboursAreJoined) {
  parts_[1].activation = ops::Activation::kSilu;
  EXPECT_EQ(num_joined(PartPlaces::kUnknown), 3u);
  parts_[2].activation = ops::Activation::kSilu;
  EXPECT_EQ(num_joined(), 2u);
}

TEST_P(JoinedPartsTest, PartsThatDifferAreNotJoined) {
  const std::vector<ops::LinearPart> alike = parts_;
  const auto expect_apart = [&](const char* what) {
    EXPECT_EQ(num_joined(PartPlaces::kUnknown), 3u) << what;
    parts_ = alike;
  };
  parts_[1].compute = ops::Compute::kInt8;
  expect_apart("numbers");
  parts_[1].linear.bias = {};
  expect_apart("bias");
  parts_[1].linear.bias.dtype = DType::kBF16;
  expect_apart("type of bias");
  parts_[1].linear.weight.dtype = DType::kBF16;
  expect_apart("type of weight");
  parts_[1].accumulate = true;
  parts_[1].gate = parts_[1].linear.bias;
  expect_apart("gate");
  parts_[1].out.strides[0] += 1;
  expect_apart("rows of out");
  parts_[1].linear.weight.scales.nested = weights_.data();
  expect_apart("nested scales");
}

TEST_P(JoinedPartsTest, BiasesAndOutputsMustFollow) {
  std::swap(parts_[1].linear.bias.data, parts_[2].linear.bias.data);
  EXPECT_EQ(num_joined(), 3u);
  std::swap(parts_[1].linear.bias.data, parts_[2].linear.bias.data);
  std::swap(parts_[1].out.data, parts_[2].out.data);
  EXPECT_EQ(num_joined(), 3u);
}

// Of types whose scales lie apart.
using JoinedScalesTest = JoinedPartsTest;

TEST_P(JoinedScalesTest, ScalesMustFollow) {
  parts_[1].linear.weight.scales.values += sizeof(float);
  EXPECT_EQ(num_joined(), 3u);
}

const auto kName = [](const auto& test) { return std::string(dtype_name(test.param)); };

INSTANTIATE_TEST_SUITE_P(Types, JoinedPartsTest, ::testing::Values(DType::kF32, DType::kI8, DType::kQ4_0, DType::kNf4),
                         kName);
INSTANTIATE_TEST_SUITE_P(Types, JoinedScalesTest, ::testing::Values(DType::kI8, DType::kNf4), kName);

}  // namespace
}  // namespace steadyflux
