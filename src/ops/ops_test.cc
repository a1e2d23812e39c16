#include "ops/ops.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "ops/count_allocations.h"

namespace steadyflux::ops {
namespace {

// Checks and costs never touch memory: any address that is not null will do.
Tensor fake(DType dtype, const Shape& shape) { return {reinterpret_cast<std::byte*>(128), dtype, shape}; }
Tensor f32(const Shape& shape) { return fake(DType::kF32, shape); }
Tensor bf16(const Shape& shape) { return fake(DType::kBF16, shape); }

std::string violation(const Op& op) {
  try {
    check(op);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInternal);
    return error.what();
  }
  return "";
}

TEST(OpsCheck, NamesTheOperationTheTensorAndBothShapes) {
  EXPECT_EQ(violation(RmsNorm{.x = f32({5, 8}), .weight = f32({7}), .out = f32({5, 8})}),
            "rms_norm: weight: expected shape [8], got [7]");
}

TEST(OpsCheck, NamesThePartOfALinear) {
  const std::vector<LinearPart> parts = {
      {.linear = {.weight = bf16({6, 8})}, .out = f32({5, 6})},
      {.linear = {.weight = bf16({6, 9})}, .out = f32({5, 6})},
  };
  EXPECT_EQ(violation(LinearMany{f32({5, 8}), parts}),
            "linear_many: weight of part 1: expected shape [6, 8], got [6, 9]");
}

TEST(OpsCheck, RefusesAnInputThatIsMissingOrEmpty) {
  EXPECT_EQ(violation(RmsNorm{.x = f32({5, 8}), .weight = {}, .out = f32({5, 8})}), "rms_norm: weight: is missing");
  EXPECT_EQ(violation(RmsNorm{}), "rms_norm: x: is missing");
  EXPECT_EQ(violation(Add{.a = f32({0, 8}), .out = f32({0, 8})}), "add: a: has no elements: [0, 8]");
  EXPECT_EQ(violation(LinearMany{.x = f32({5, 8}), .parts = {}}), "linear_many: parts: expected at least one");
}

TEST(OpsCheck, KeepsWeightTypesOutOfActivations) {
  EXPECT_EQ(violation(Add{.a = fake(DType::kF16, {5, 8}), .out = f32({5, 8})}),
            "add: a: expected f32 or bf16, got f16");
  EXPECT_EQ(
      violation(LayerNorm{
          .x = f32({5, 8}), .scale = fake(DType::kF16, {8}), .shift = fake(DType::kI8, {8}), .out = bf16({5, 8})}),
      "layer_norm: shift: expected f32, f16 or bf16, got i8");
}

TEST(OpsCheck, AllowsStridedRowsAndNothingElse) {
  EXPECT_EQ(violation(Add{.a = f32({5, 24}).cols(8, 8), .out = f32({5, 8})}), "");
  Tensor overlapping = f32({5, 8});
  overlapping.strides[0] = 7;
  EXPECT_NE(violation(Add{.a = overlapping, .out = f32({5, 8})}), "");
  Tensor gapped = f32({5, 8});
  gapped.strides[1] = 2;
  EXPECT_NE(violation(Add{.a = gapped, .out = f32({5, 8})}), "");
  EXPECT_EQ(violation(QkNormRope{.x = f32({5, 96}).cols(32, 32).split_heads(4), .weight = f32({8})}), "");
}

TEST(OpsCheck, LinearGateNeedsAccumulate) {
  std::vector<LinearPart> parts = {{.linear = {.weight = f32({6, 8})}, .out = f32({5, 6}), .gate = f32({6})}};
  EXPECT_NE(violation(LinearMany{f32({5, 8}), parts}), "");
  parts[0].accumulate = true;
  EXPECT_EQ(violation(LinearMany{f32({5, 8}), parts}), "");
}

TEST(OpsCheck, SumsOfIntegersFitTheirType) {
  std::vector<LinearPart> parts = {{.linear = {.weight = bf16({6, 65536})}, .out = f32({5, 6})}};
  parts[0].compute = Compute::kInt8;
  EXPECT_EQ(violation(LinearMany{bf16({5, 65536}), parts}), "");
  parts[0].linear.weight = bf16({6, 65537});
  EXPECT_EQ(violation(LinearMany{bf16({5, 65537}), parts}),
            "linear_many: weight of part 0: expected at most 65536 in_features for sums of integers, got 65537");
}

TEST(OpsCheck, RotationNeedsAnEvenHeadDim) {
  EXPECT_EQ(violation(QkNormRope{.x = f32({5, 2, 7}), .weight = f32({7})}), "");
  EXPECT_NE(violation(QkNormRope{.x = f32({5, 2, 7}), .weight = f32({7}), .pe = f32({5, 7})}), "");
}

TEST(OpsCheck, AttentionTensorsAgree) {
  Attention op{.q = f32({5, 2, 8}), .k = f32({9, 2, 8}), .v = f32({9, 2, 8}), .out = bf16({5, 2, 8})};
  EXPECT_EQ(violation(op), "");
  op.relative_bias = f32({2, 13});
  EXPECT_EQ(violation(op), "");
  op.v = f32({8, 2, 8});
  EXPECT_EQ(violation(op), "attention: v: expected shape [9, 2, 8], got [8, 2, 8]");
}

TEST(OpsCheck, GroupsDivideChannels) {
  EXPECT_EQ(violation(GroupNormRows{.x = f32({3, 4, 24}), .groups = 8, .moments = f32({3, 8, 2})}), "");
  EXPECT_NE(violation(GroupNormRows{.x = f32({3, 4, 24}), .groups = 7, .moments = f32({3, 7, 2})}), "");
  EXPECT_NE(violation(GroupNormRows{.x = f32({3, 4, 24}), .groups = 8, .moments = f32({4, 8, 2})}), "");
  EXPECT_EQ(violation(GroupNormStats{.moments = f32({3, 8, 2}), .stats = f32({8, 2})}), "");
  EXPECT_NE(violation(GroupNormStats{.moments = f32({3, 8, 2}), .stats = f32({7, 2})}), "");
  EXPECT_NE(
      violation(GroupNormApply{
          .x = f32({3, 4, 24}), .stats = f32({7, 2}), .weight = f32({24}), .bias = f32({24}), .out = f32({3, 4, 24})}),
      "");
}

Conv2d conv(const Shape& x, std::int64_t out_channels, std::int64_t kernel, const Shape& out) {
  return {.x = f32(x), .weight = f32({out_channels, x[2], kernel, kernel}), .out = f32(out)};
}

TEST(OpsCheck, ConvolutionOutputFollowsFromItsPadding) {
  Conv2d down = conv({7, 9, 3}, 16, 3, {3, 4, 16});
  down.stride = 2;
  down.pad_bottom = down.pad_right = 1;
  EXPECT_EQ(violation(down), "");
  Conv2d up = conv({7, 9, 3}, 16, 3, {14, 18, 16});
  up.upsample = 2;
  up.pad_top = up.pad_left = up.pad_bottom = up.pad_right = 1;
  EXPECT_EQ(violation(up), "");
  up.upsample = 3;
  EXPECT_NE(violation(up), "");
  EXPECT_NE(violation(conv({2, 9, 3}, 16, 3, {1, 7, 16})), "");
}

TEST(OpsCheck, PackingNeedsEvenPixels) {
  EXPECT_EQ(violation(PackLatents{.image = f32({4, 6, 16}), .packed = f32({6, 64})}), "");
  EXPECT_NE(violation(PackLatents{.image = f32({4, 5, 16}), .packed = f32({4, 64})}), "");
  EXPECT_EQ(violation(UnpackLatents{.packed = f32({6, 63}), .image = f32({4, 6, 16})}),
            "unpack_latents: packed: expected shape [6, 64], got [6, 63]");
}

TEST(OpsCheck, PositionsCoverEveryRow) {
  EmbedRows op{.table = f32({100, 8}), .ids = fake(DType::kI32, {5}), .positions = f32({77, 8}), .out = f32({5, 8})};
  EXPECT_EQ(violation(op), "");
  op.positions = f32({4, 8});
  EXPECT_NE(violation(op), "");
}

TEST(OpClass, GroupsOperationsByWhatTheyAreBoundBy) {
  EXPECT_EQ(op_class(LinearMany{}), OpClass::kLinear);
  EXPECT_EQ(op_class(Attention{}), OpClass::kAttention);
  EXPECT_EQ(op_class(Conv2d{}), OpClass::kConvolution);
  EXPECT_EQ(op_class(GroupNormApply{}), OpClass::kNorm);
  EXPECT_EQ(op_class(QkNormRope{}), OpClass::kNorm);
  EXPECT_EQ(op_class(Glu{}), OpClass::kElementwise);
  EXPECT_STREQ(op_class_name(OpClass::kConvolution), "convolution");
}

TEST(OpsCheck, AllocatesNothingWhenAllIsWell) {
  const std::vector<LinearPart> parts = {{.linear = {.weight = bf16({6, 8}), .bias = f32({6})}, .out = f32({5, 6})}};
  const Op linear = LinearMany{f32({5, 8}), parts};
  const Op attention = Attention{.q = f32({5, 2, 8}), .k = f32({9, 2, 8}), .v = f32({9, 2, 8}), .out = bf16({5, 2, 8})};
  const std::size_t before = num_allocations();
  check(linear);
  check(attention);
  EXPECT_EQ(num_allocations(), before);
}

TEST(OpsCost, LinearCountsEveryMultiplyAddAsTwo) {
  const std::vector<LinearPart> parts = {
      {.linear = {.weight = bf16({6, 8}), .bias = f32({6})}, .out = f32({5, 6})},
      {.linear = {.weight = bf16({4, 8})}, .out = bf16({5, 4}), .accumulate = true},
  };
  const Cost total = cost(LinearMany{f32({5, 8}), parts});
  EXPECT_EQ(total.flops, 2 * 5 * 8 * (6 + 4));
  const double x = 5 * 8 * 4;
  const double first = 6 * 8 * 2 + 6 * 4 + 5 * 6 * 4;
  const double second = 4 * 8 * 2 + 2 * 5 * 4 * 2;
  EXPECT_EQ(total.bytes, x + first + second);
}

TEST(OpsCost, CausalAttentionCountsOnlyScoredPairs) {
  Attention op{.q = f32({3, 2, 8}), .k = f32({3, 2, 8}), .v = f32({3, 2, 8}), .out = f32({3, 2, 8})};
  EXPECT_EQ(cost(op).flops, 4 * 9 * 16);
  EXPECT_EQ(cost(op).bytes, 4 * 3 * 16 * 4);
  op.causal = true;
  EXPECT_EQ(cost(op).flops, 4 * 6 * 16);
  op.k = op.v = f32({2, 2, 8});
  EXPECT_EQ(cost(op).flops, 4 * 5 * 16);
}

TEST(OpsCost, ConvolutionCountsItsWindow) {
  Conv2d op = conv({7, 9, 3}, 16, 3, {5, 7, 16});
  EXPECT_EQ(cost(op).flops, 2.0 * 35 * 16 * 9 * 3);
  const double once = cost(op).bytes;
  op.accumulate = true;
  EXPECT_EQ(cost(op).bytes - once, 35 * 16 * 4);
}

TEST(OpsCost, EmbeddingReadsOnlyTheRowsLookedUp) {
  const EmbedRows op{.table = bf16({1000, 8}), .ids = fake(DType::kI32, {5}), .out = f32({5, 8})};
  EXPECT_EQ(cost(op).bytes, 5 * 8 * 2 + 5 * 4 + 5 * 8 * 4);
}

TEST(OpsCost, ScalesThatLieApartAreRead) {
  Tensor weight = fake(DType::kI8, {6, 64});
  const Tensor x = f32({5, 64});
  const auto bytes_read = [&] {
    const LinearPart part = {.linear = {.weight = weight}, .out = f32({5, 6})};
    const EmbedRows lookup{.table = weight, .ids = fake(DType::kI32, {5}), .out = x};
    return std::pair(cost(LinearMany{x, {&part, 1}}).bytes - 5 * 64 * 4 - 5 * 6 * 4,
                     cost(lookup).bytes - 5 * 4 - 5 * 64 * 4);
  };
  weight.scales.values = weight.data;
  EXPECT_EQ(bytes_read(), std::pair(6.0 * 64 + 6 * 4, 5.0 * 64 + 5 * 4));
  weight.dtype = DType::kNf4;
  EXPECT_EQ(bytes_read(), std::pair(6.0 * 32 + 6 * 4, 5.0 * 32 + 5 * 4));
  weight.scales.nested = weight.data;
  EXPECT_EQ(bytes_read(), std::pair(6.0 * 32 + 6 + 4, 5.0 * 32 + 5 + 4));
}

TEST(OpsName, IsThatOfTheStruct) {
  EXPECT_STREQ(op_name(LinearMany{}), "linear_many");
  EXPECT_STREQ(op_name(ToRgb8{}), "to_rgb8");
}

}  // namespace
}  // namespace steadyflux::ops
