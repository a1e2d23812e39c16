#include "backend/reference/reference_backend.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "backend/executor.h"
#include "base/bf16.h"
#include "base/error.h"
#include "base/half.h"

namespace steadyflux {
namespace {

using Floats = std::vector<float>;

Tensor view(Floats& values, const Shape& shape) {
  EXPECT_EQ(static_cast<std::int64_t>(values.size()), shape.num_elements());
  return {reinterpret_cast<std::byte*>(values.data()), DType::kF32, shape};
}

template <typename T>
Tensor view(std::vector<T>& values, DType dtype, const Shape& shape) {
  return {reinterpret_cast<std::byte*>(values.data()), dtype, shape};
}

void run(const ops::Op& op) {
  alignas(Arena::kAlignment) std::array<std::byte, 1024> memory;
  Arena arena(memory.data(), memory.size());
  const auto backend = make_reference_backend();
  Executor(*backend, arena).run(op);
}

// Hand-computed values are exact up to the rounding of the result.
void expect_near(const Floats& got, const Floats& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-6f * (1 + std::fabs(expected[i])));
}

TEST(Reference, LinearAddsBiasActivatesGatesAndAccumulates) {
  Floats x = {1, 2};
  Floats weight = {1, 1, 2, -1};
  Floats bias = {0.5f, 0.25f};
  Floats plain(2);
  Floats silu(2);
  Floats sum = {10, 20};
  Floats gate = {2, 4};
  const ops::Linear linear = {view(weight, {2, 2}), view(bias, {2})};
  const std::vector<ops::LinearPart> parts = {
      {.linear = linear, .out = view(plain, {1, 2})},
      {.linear = linear, .out = view(silu, {1, 2}), .activation = ops::Activation::kSilu},
      {.linear = linear, .out = view(sum, {1, 2}), .gate = view(gate, {2}), .accumulate = true},
  };
  run(ops::LinearMany{view(x, {1, 2}), parts});
  expect_near(plain, {3.5f, 0.25f});
  expect_near(silu, {3.5f / (1 + std::exp(-3.5f)), 0.25f / (1 + std::exp(-0.25f))});
  expect_near(sum, {17, 21});
}

TEST(Reference, LinearReadsEveryWeightType) {
  Floats x = {1, 2};
  std::vector<BFloat16> bf16_weight = {bf16_from_float(3), bf16_from_float(5)};
  std::vector<Half> f16_weight = {half_from_float(0.5f), half_from_float(0.25f)};
  Floats a(1);
  std::vector<BFloat16> b(1);
  const std::vector<ops::LinearPart> parts = {
      {.linear = {view(bf16_weight, DType::kBF16, {1, 2})}, .out = view(a, {1, 1})},
      {.linear = {view(f16_weight, DType::kF16, {1, 2})}, .out = view(b, DType::kBF16, {1, 1})},
  };
  run(ops::LinearMany{view(x, {1, 2}), parts});
  expect_near(a, {13});
  EXPECT_EQ(float_from_bf16(b[0]), 1);
}

// x = {1, -2}: scale 2 / 127, integers 63.5 (to even: 64) and -127. Weights {3, 1} and {0, 0}.
TEST(Reference, LinearInIntegersRoundsRowsToAScaleEach) {
  Floats x = {1, -2};
  Floats weight = {3, 1, 0, 0};
  Floats bias = {0.5f, 0.25f};
  Floats out(2);
  const std::vector<ops::LinearPart> parts = {
      {.linear = {view(weight, {2, 2}), view(bias, {2})}, .out = view(out, {1, 2}), .compute = ops::Compute::kInt8}};
  run(ops::LinearMany{view(x, {1, 2}), parts});
  expect_near(out, {(64 * 127 - 127 * 42) * (2.0f / 127) * (3.0f / 127) + 0.5f, 0.25f});
}

TEST(Reference, LinearTakesStoredIntegersAsTheyAre) {
  Floats x = {1, 0};
  std::vector<std::int8_t> integers = {9, 9, -128, 5};
  Floats scales = {7, 0.25f};
  Tensor weight = view(integers, DType::kI8, {2, 2});
  weight.scales.values = reinterpret_cast<std::byte*>(scales.data());
  Floats out(1);
  const std::vector<ops::LinearPart> parts = {
      {.linear = {weight.rows(1, 1)}, .out = view(out, {1, 1}), .compute = ops::Compute::kInt8}};
  run(ops::LinearMany{view(x, {1, 2}), parts});
  expect_near(out, {-128 * 0.25f});
}

// Values of torch.nn.functional at 1 and -2.
TEST(Reference, ActivationsAreTheirDefinitions) {
  const auto activated = [](ops::Activation activation) {
    Floats x = {1, -2};
    Floats out(2);
    run(ops::Add{.a = view(x, {1, 2}), .activation = activation, .out = view(out, {1, 2})});
    return out;
  };
  expect_near(activated(ops::Activation::kNone), {1, -2});
  expect_near(activated(ops::Activation::kSilu), {0.7310586f, -0.2384058f});
  expect_near(activated(ops::Activation::kGeluTanh), {0.8411920f, -0.0454023f});
  expect_near(activated(ops::Activation::kGeluErf), {0.8413447f, -0.0455003f});
  expect_near(activated(ops::Activation::kQuickGelu), {0.8457958f, -0.0643414f});
}

TEST(Reference, LayerNormScalesAndShiftsANormalisedRow) {
  Floats x = {1, 3};
  Floats scale = {0.5f, 1};
  Floats shift = {10, 20};
  Floats out(2);
  ops::LayerNorm op = {.x = view(x, {1, 2}),
                       .scale = view(scale, {2}),
                       .shift = view(shift, {2}),
                       .scale_offset = 1,
                       .eps = 0,
                       .out = view(out, {1, 2})};
  run(op);
  expect_near(out, {10 - 1.5f, 20 + 2});
  op.eps = 3;  // the standard deviation becomes 2
  run(op);
  expect_near(out, {10 - 0.75f, 20 + 1});
}

TEST(Reference, RmsNormDividesByTheRootMeanSquare) {
  Floats x = {3, 4, 5, 5};
  Floats weight = {1, 2};
  Floats out(4);
  run(ops::RmsNorm{.x = view(x, {2, 2}), .weight = view(weight, {2}), .eps = 0, .out = view(out, {2, 2})});
  expect_near(out, {3 / std::sqrt(12.5f), 8 / std::sqrt(12.5f), 1, 2});
}

TEST(Reference, RopeTurnsEachPairOfEachHead) {
  Floats x = {1, -1, 1, 1, 1, -1, 1, 1};  // two heads of two pairs, root mean square 1
  Floats weight = {1, 2, 3, 4};
  Floats pe = {0, 1, 1, 0};  // a quarter turn, none
  run(ops::QkNormRope{.x = view(x, {1, 2, 4}), .weight = view(weight, {4}), .pe = view(pe, {1, 4}), .eps = 0});
  expect_near(x, {2, 1, 3, 4, 2, 1, 3, 4});
}

TEST(Reference, QkNormWithoutRotation) {
  Floats x = {3, 3, 4, -4};
  Floats weight = {1, 2};
  run(ops::QkNormRope{.x = view(x, {2, 1, 2}), .weight = view(weight, {2}), .eps = 0});
  expect_near(x, {1, 2, 1, -2});
}

TEST(Reference, AttentionWeighsValuesBySoftmax) {
  Floats q = {1};
  Floats k = {0, std::log(3.0f)};
  Floats v = {4, 8};
  Floats out(1);
  run(ops::Attention{
      .q = view(q, {1, 1, 1}), .k = view(k, {2, 1, 1}), .v = view(v, {2, 1, 1}), .out = view(out, {1, 1, 1})});
  expect_near(out, {(4 + 3 * 8) / 4.0f});
}

TEST(Reference, CausalAttentionLooksBackOnly) {
  Floats zeros(3);
  Floats v = {3, 5, 10};
  Floats out(3);
  run(ops::Attention{.q = view(zeros, {3, 1, 1}),
                     .k = view(zeros, {3, 1, 1}),
                     .v = view(v, {3, 1, 1}),
                     .causal = true,
                     .out = view(out, {3, 1, 1})});
  expect_near(out, {3, 4, 6});
}

TEST(Reference, RelativeBiasIsIndexedByDistance) {
  Floats zeros(4);
  Floats v = {1, 2, 3, 4};  // two rows of two heads
  // Distances j - i of -1, 0, 1 for each head: head 0 looks only at its own row, head 1 one row ahead or at itself.
  Floats bias = {-100, 0, -100, -100, -100, 0};
  Floats out(4);
  run(ops::Attention{.q = view(zeros, {2, 2, 1}),
                     .k = view(zeros, {2, 2, 1}),
                     .v = view(v, {2, 2, 1}),
                     .relative_bias = view(bias, {2, 3}),
                     .out = view(out, {2, 2, 1})});
  expect_near(out, {1, 4, 3, 3});
}

TEST(Reference, GroupNormTakesItsStatisticsOverPixelsAndChannels) {
  Floats x = {1, 10, 3, 14, 1, 10, 3, 14};  // four pixels of two channels
  Floats stats(4);
  Floats moments(8);
  run(ops::GroupNormRows{.x = view(x, {2, 2, 2}), .groups = 2, .moments = view(moments, {2, 2, 2})});
  expect_near(moments, {2, 1, 12, 4, 2, 1, 12, 4});
  run(ops::GroupNormStats{.moments = view(moments, {2, 2, 2}), .eps = 0, .stats = view(stats, {2, 2})});
  expect_near(stats, {2, 1, 12, 0.5f});
  Floats weight = {2, 3};
  Floats bias = {1, 0};
  run(ops::GroupNormApply{.x = view(x, {2, 2, 2}),
                          .stats = view(stats, {2, 2}),
                          .weight = view(weight, {2}),
                          .bias = view(bias, {2}),
                          .out = view(x, {2, 2, 2})});
  expect_near(x, {-1, -3, 3, 3, -1, -3, 3, 3});
}

TEST(Reference, GroupNormCountsHowRowsDiffer) {
  Floats x = {1, 3, 7, 9};  // two rows of two pixels: means 2 and 8, variances 1
  Floats moments(4);
  Floats stats(2);
  run(ops::GroupNormRows{.x = view(x, {2, 2, 1}), .groups = 1, .moments = view(moments, {2, 1, 2})});
  run(ops::GroupNormStats{.moments = view(moments, {2, 1, 2}), .eps = 6, .stats = view(stats, {1, 2})});
  expect_near(stats, {5, 0.25f});  // 1 / sqrt(1 + 9 + 6)
}

TEST(Reference, ConvolutionCorrelatesWithoutFlipping) {
  Floats x = {1, 2, 3, 4};
  Floats weight = {0, 0, 0, 0, 1, 10, 0, 100, 1000};  // this pixel, right, below, below right
  Floats bias = {0.5f};
  Floats out(4);
  ops::Conv2d op = {.x = view(x, {2, 2, 1}),
                    .weight = view(weight, {1, 1, 3, 3}),
                    .bias = view(bias, {1}),
                    .pad_top = 1,
                    .pad_left = 1,
                    .pad_bottom = 1,
                    .pad_right = 1,
                    .out = view(out, {2, 2, 1})};
  run(op);
  expect_near(out, {4321.5f, 402.5f, 43.5f, 4.5f});
  op.accumulate = true;
  run(op);
  expect_near(out, {2 * 4321.5f, 2 * 402.5f, 2 * 43.5f, 2 * 4.5f});
}

TEST(Reference, ConvolutionUpsamplesStridesAndMixesChannels) {
  Floats x = {1, 2, 3, 4};  // two pixels of two channels, side by side
  Floats weight = {1, 10};
  Floats wide(8);
  run(ops::Conv2d{
      .x = view(x, {1, 2, 2}), .weight = view(weight, {1, 2, 1, 1}), .upsample = 2, .out = view(wide, {2, 4, 1})});
  expect_near(wide, {21, 21, 43, 43, 21, 21, 43, 43});
  Floats row = {1, 2, 3, 4, 5};
  Floats pick = {0, 0, 0, 0, 1, 0, 0, 0, 0};
  Floats strided(2);
  run(ops::Conv2d{.x = view(row, {1, 5, 1}),
                  .weight = view(pick, {1, 1, 3, 3}),
                  .stride = 2,
                  .pad_top = 1,
                  .pad_bottom = 1,
                  .out = view(strided, {1, 2, 1})});
  expect_near(strided, {2, 4});
}

TEST(Reference, EmbedRowsLooksUpAndAddsPositions) {
  Floats table = {1, 2, 3, 4};
  std::vector<std::int32_t> ids = {1, 0, 1};
  Floats positions = {10, 20, 30, 40, 50, 60, 0, 0};
  Floats out(6);
  const Tensor id_tensor = view(ids, DType::kI32, {3});
  run(ops::EmbedRows{view(table, {2, 2}), id_tensor, view(positions, {4, 2}), view(out, {3, 2})});
  expect_near(out, {13, 24, 31, 42, 53, 64});
  ids[2] = 2;
  EXPECT_THROW(run(ops::EmbedRows{view(table, {2, 2}), id_tensor, {}, view(out, {3, 2})}), Error);
}

TEST(Reference, GluGatesAndAddBroadcastsOneRow) {
  Floats gate = {1, 2, 3, 4};
  Floats up = {5, 6, 7, 8};
  Floats row = {10, 20};
  run(ops::Glu{.gate = view(gate, {2, 2}), .up = view(up, {2, 2}), .out = view(gate, {2, 2})});
  expect_near(gate, {5, 12, 21, 32});
  run(ops::Add{.a = view(gate, {2, 2}), .b = view(row, {1, 2}), .out = view(gate, {2, 2})});
  expect_near(gate, {15, 32, 31, 52});
}

TEST(Reference, EulerStepRoundsProductAndSumWhenAsked) {
  Floats latents = {1};
  Floats velocity = {0x1.01p-4f};  // needs 9 significant bits, bf16 has 8
  run(ops::EulerStep{.latents = view(latents, {1, 1}), .velocity = view(velocity, {1, 1}), .dt = -1});
  EXPECT_EQ(latents[0], 1 - 0x1.01p-4f);
  latents = {1};
  run(ops::EulerStep{
      .latents = view(latents, {1, 1}), .velocity = view(velocity, {1, 1}), .dt = -1, .round_product = true});
  EXPECT_EQ(latents[0], 1 - 0x1p-4f);
}

TEST(Reference, TrueCfgRoundsEachStepToTheOutput) {
  Floats positive = {1 + 0x1.8p-8f};
  Floats negative = {1};
  std::vector<BFloat16> out(1);
  run(ops::TrueCfg{view(positive, {1, 1}), view(negative, {1, 1}), 3, view(out, DType::kBF16, {1, 1})});
  EXPECT_EQ(float_from_bf16(out[0]), round_to_bf16(1 + round_to_bf16(3 * 0x1.8p-8f)));
}

TEST(Reference, PackingAndUnpackingAreInverse) {
  Floats image(24);
  for (std::size_t i = 0; i < image.size(); ++i) image[i] = static_cast<float>(i);
  Floats packed(24);
  run(ops::PackLatents{.image = view(image, {2, 4, 3}), .packed = view(packed, {2, 12})});
  // Channel 0 of the first 2 x 2 patch: pixels (0,0), (0,1), (1,0), (1,1).
  expect_near({packed.begin(), packed.begin() + 4}, {0, 3, 12, 15});
  Floats again(image.size());
  run(ops::UnpackLatents{.packed = view(packed, {2, 12}), .image = view(again, {2, 4, 3})});
  EXPECT_EQ(again, image);
}

TEST(Reference, LatentScaleAndShiftFollowTheirFormulas) {
  Floats image(4, 3);
  Floats packed(4);
  run(ops::PackLatents{.image = view(image, {2, 2, 1}), .scale = 2, .shift = 5, .packed = view(packed, {1, 4})});
  expect_near(packed, Floats(4, 16));
  run(ops::UnpackLatents{.packed = view(packed, {1, 4}), .scale = 2, .shift = 5, .image = view(image, {2, 2, 1})});
  expect_near(image, Floats(4, 37));
}

TEST(Reference, Rgb8ClampsAndRoundsHalvesToEven) {
  Floats x = {-2, -1, 0, 1, 7, 2 * 0.5f / 255 - 1};
  std::vector<std::uint8_t> out(6);
  run(ops::ToRgb8{view(x, {1, 2, 3}), view(out, DType::kU8, {1, 2, 3})});
  EXPECT_EQ(out, (std::vector<std::uint8_t>{0, 0, 128, 255, 255, 0}));
}

TEST(Reference, RegionsAreAlignedAndCopiesMustMatch) {
  const auto backend = make_reference_backend();
  const auto region = backend->reserve(256);
  EXPECT_EQ(region->size_bytes(), 256u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(region->data()) % Arena::kAlignment, 0u);
  const Tensor tensor(region->data(), DType::kF32, {2});
  const std::array<float, 2> sent = {1, 2};
  std::array<float, 2> received = {};
  backend->upload(std::as_bytes(std::span(sent)), tensor);
  backend->download(tensor, std::as_writable_bytes(std::span(received)));
  EXPECT_EQ(sent, received);
  EXPECT_THROW(backend->upload(std::as_bytes(std::span(sent)).first(4), tensor), Error);
  EXPECT_EQ(backend->reserve(0)->size_bytes(), 0u);
}

}  // namespace
}  // namespace steadyflux
