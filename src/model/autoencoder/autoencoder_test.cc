#include "model/autoencoder/autoencoder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "backend/measure/measure_backend.h"
#include "backend/reference/reference_backend.h"
#include "base/error.h"
#include "model/autoencoder/banded_layers.h"
#include "model/autoencoder/pixel_layers.h"
#include "model/random_weights.h"

namespace steadyflux {
namespace {

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

TEST(AutoencoderWeights, AreThoseOfTheCheckpoint) {
  const AutoencoderConfig config;
  EXPECT_EQ(num_parameters(decoder_groups(config)), 49'545'475);
  EXPECT_EQ(num_parameters(encoder_groups(config)), 34'274'208);
  const std::vector<std::string> decoder = weight_names(decoder_groups(config));
  const std::vector<std::string> encoder = weight_names(encoder_groups(config));
  EXPECT_EQ(decoder.size() + encoder.size(), 244u);
  for (const char* name :
       {"decoder.conv_in.weight", "decoder.mid_block.attentions.0.group_norm.weight",
        "decoder.mid_block.attentions.0.to_out.0.bias", "decoder.mid_block.resnets.1.conv2.weight",
        "decoder.up_blocks.0.resnets.2.norm2.bias", "decoder.up_blocks.2.resnets.0.conv_shortcut.weight",
        "decoder.up_blocks.2.upsamplers.0.conv.bias", "decoder.conv_norm_out.weight", "decoder.conv_out.bias"}) {
    EXPECT_TRUE(has(decoder, name)) << name;
  }
  EXPECT_FALSE(has(decoder, "decoder.up_blocks.3.upsamplers.0.conv.bias"));
  EXPECT_FALSE(has(decoder, "decoder.up_blocks.1.resnets.0.conv_shortcut.weight"));
  for (const char* name : {"encoder.conv_in.bias", "encoder.down_blocks.1.resnets.0.conv_shortcut.weight",
                           "encoder.down_blocks.2.downsamplers.0.conv.weight",
                           "encoder.mid_block.attentions.0.to_q.weight", "encoder.conv_out.weight"}) {
    EXPECT_TRUE(has(encoder, name)) << name;
  }
}

TEST(AutoencoderWeights, QuantConvolutionsAndAttentionAreOptional) {
  AutoencoderConfig config;
  EXPECT_FALSE(has(weight_names(decoder_groups(config)), "post_quant_conv.weight"));
  config.quant_conv = config.post_quant_conv = true;
  config.mid_attention = false;
  EXPECT_TRUE(has(weight_names(decoder_groups(config)), "post_quant_conv.weight"));
  EXPECT_TRUE(has(weight_names(encoder_groups(config)), "quant_conv.bias"));
  EXPECT_FALSE(has(weight_names(decoder_groups(config)), "decoder.mid_block.attentions.0.to_q.weight"));
}

TEST(AutoencoderConfigCheck, NamesWhatDoesNotFit) {
  EXPECT_NO_THROW(check(AutoencoderConfig{}));
  AutoencoderConfig config;
  config.norm_groups = 48;
  EXPECT_THROW(check(config), Error);
  config = {};
  config.block_channels.clear();
  EXPECT_THROW(check(config), Error);
}

class Autoencoder : public testing::Test {
 protected:
  static AutoencoderConfig tiny_config() {
    AutoencoderConfig config;
    config.latent_channels = 2;
    config.block_channels = {4, 8};
    config.layers_per_block = 1;
    config.norm_groups = 2;
    return config;
  }

  std::unique_ptr<Backend> backend_ = make_reference_backend();
  std::unique_ptr<Region> region_ = backend_->reserve(1 << 20);
  Arena arena_{region_->data(), region_->size_bytes()};
  Executor executor_{*backend_, arena_};
};

TEST_F(Autoencoder, DecodesOddShapesWithEveryOption) {
  for (const bool options : {false, true}) {
    AutoencoderConfig config = tiny_config();
    config.mid_attention = config.post_quant_conv = options;
    RandomWeights weights(decoder_groups(config), 3);
    OwnedTensor packed = random_tensor({3 * 1, 8}, 1);
    OwnedTensor image({12, 4, 3});
    decode_latents(executor_, weights, config, DType::kF32, packed.view(), image.view());
    EXPECT_TRUE(std::ranges::all_of(image.values, [](float x) { return std::isfinite(x); }));
    EXPECT_EQ(weights.acquired().size(), weights.num_groups());
    EXPECT_EQ(arena_.used_bytes(), 0u);
  }
}

// The part of the encoder that computes variances is not run: means must not depend on its weights.
TEST_F(Autoencoder, EncodesMeansOnly) {
  for (const bool quant_conv : {false, true}) {
    AutoencoderConfig config = tiny_config();
    config.quant_conv = quant_conv;
    const auto groups = encoder_groups(config);
    OwnedTensor image = random_tensor({8, 12, 3}, 1);
    const auto encode = [&](float variance_bias) {
      RandomWeights weights(groups, 3);
      const Tensor bias = weights.acquire(groups.size() - 1).tensors().back();
      for (std::int64_t i = config.latent_channels; i < bias.dim(0); ++i) bias.as<float>()[i] = variance_bias;
      OwnedTensor packed({2 * 3, 8});
      encode_image(executor_, weights, config, DType::kF32, image.view(), packed.view());
      return packed.values;
    };
    EXPECT_EQ(encode(0), encode(100));
  }
}

TEST_F(Autoencoder, ASizeThatIsNotThatOfTheLatentsIsABug) {
  const AutoencoderConfig config = tiny_config();
  RandomWeights weights(decoder_groups(config), 3);
  OwnedTensor packed = random_tensor({3, 8}, 1);
  OwnedTensor image({12, 8, 3});
  EXPECT_THROW(decode_latents(executor_, weights, config, DType::kF32, packed.view(), image.view()), Error);
}

TEST(CanvasTest, HoldsNoMoreThanItsPixelsAfterEachLayer) {
  const auto backend = make_reference_backend();
  Arena arena = Arena::measuring();
  MeasureBackend measure(*backend);
  const Executor executor(measure, arena);
  {
    Canvas canvas(executor, DType::kF32);
    canvas.reset(8, 8, 4);
    for (const std::int64_t side : {16, 32, 16, 8}) {
      canvas.settle(canvas.result(side, side, 4));
      EXPECT_LE(arena.used_bytes(), static_cast<std::size_t>(side * side * 4) * sizeof(float) + Arena::kAlignment);
    }
    EXPECT_LE(arena.peak_bytes(), 32u * 32 * 4 * sizeof(float) + Arena::kAlignment);
  }
  EXPECT_EQ(arena.used_bytes(), 0u);
}

TEST_F(Autoencoder, ACanvasKeepsItsResultWhenItShrinks) {
  Canvas canvas(executor_, DType::kF32);
  canvas.reset(9, 5, 7);
  const Tensor result = canvas.result(9, 5, 4);
  std::vector<float> values(9 * 5 * 4);
  std::iota(values.begin(), values.end(), 0.0f);
  std::ranges::copy(values, result.as<float>());
  canvas.settle(result);
  EXPECT_NE(canvas.pixels().data, result.data);
  EXPECT_TRUE(std::ranges::equal(values, std::span(canvas.pixels().as<float>(), values.size())));
}

// Bands must not show: every one but the first and the last has neighbours above and below.
TEST_F(Autoencoder, NormedBandsConvolveToTheBitsOfTheWhole) {
  const AutoencoderConfig config = tiny_config();
  OwnedTensor x = random_tensor({100, 3, 4}, 1);
  OwnedTensor scale = random_tensor({4}, 2);
  OwnedTensor shift = random_tensor({4}, 3);
  OwnedTensor weight = random_tensor({6, 4, 3, 3}, 4);
  OwnedTensor bias = random_tensor({6}, 5);
  const NormWeights norm = {scale.view(), shift.view()};
  const ConvWeights conv_weights = {weight.view(), bias.view()};
  OwnedTensor banded({100, 3, 6});
  norm_silu_conv(executor_, config, x.view(), norm, conv_weights, banded.view());
  OwnedTensor normed({100, 3, 4});
  OwnedTensor whole({100, 3, 6});
  group_norm(executor_, config, x.view(), norm, ops::Activation::kSilu, normed.view());
  conv(executor_, normed.view(), conv_weights, whole.view());
  EXPECT_EQ(banded.values, whole.values);
}

TEST_F(Autoencoder, NarrowingAndWideningBlocksAddTheirShortcut) {
  const AutoencoderConfig config = tiny_config();
  for (const auto& [in, out] : {std::pair<std::int64_t, std::int64_t>{8, 4}, {4, 8}}) {
    const DownBlockSizes sizes = {.in_channels = in, .out_channels = out, .num_resnets = 1};
    const std::vector<GroupSpec> groups = {list_weights<DownBlockWeights>("block", "", sizes)};
    RandomWeights source(groups, 3);
    const Lease lease = source.acquire(0);
    const auto weights = bind_weights<DownBlockWeights>(lease, sizes);
    // With conv2 silent, the shortcut is all there is.
    for (const Tensor& tensor : {weights.resnets[0].conv2.weight, weights.resnets[0].conv2.bias}) {
      std::fill_n(tensor.as<float>(), tensor.shape.num_elements(), 0.0f);
    }
    OwnedTensor x = random_tensor({100, 3, in}, 1);
    OwnedTensor expected({100, 3, out});
    conv(executor_, x.view(), weights.resnets[0].shortcut, expected.view());

    for (const bool banded : {false, true}) {
      Canvas canvas(executor_, DType::kF32);
      std::ranges::copy(x.values, canvas.reset(100, 3, in).as<float>());
      if (banded) {
        resnet_in_bands(executor_, config, weights.resnets[0], nullptr, 8, canvas);
      } else {
        resnet(executor_, config, weights.resnets[0], canvas);
      }
      const Tensor sum = canvas.pixels();
      ASSERT_EQ(sum.shape, expected.shape);
      EXPECT_TRUE(std::ranges::equal(expected.values, std::span(sum.as<float>(), expected.values.size())));
    }
  }
}

TEST_F(Autoencoder, DownsamplesInPlaceAsItWouldElsewhere) {
  OwnedTensor weight = random_tensor({4, 4, 3, 3}, 4);
  OwnedTensor bias = random_tensor({4}, 5);
  OwnedTensor x = random_tensor({140, 6, 4}, 1);
  OwnedTensor expected({70, 3, 4});
  executor_.run(ops::Conv2d{.x = x.view(),
                            .weight = weight.view(),
                            .bias = bias.view(),
                            .stride = 2,
                            .pad_bottom = 1,
                            .pad_right = 1,
                            .out = expected.view()});
  Canvas canvas(executor_, DType::kF32);
  std::ranges::copy(x.values, canvas.reset(140, 6, 4).as<float>());
  downsample(executor_, {weight.view(), bias.view()}, canvas);
  ASSERT_EQ(canvas.pixels().shape, expected.shape);
  EXPECT_TRUE(std::ranges::equal(expected.values, std::span(canvas.pixels().as<float>(), expected.values.size())));
}

TEST_F(Autoencoder, ATileOfTheWrongSizeIsRefused) {
  const AutoencoderConfig config = tiny_config();
  for (const std::int64_t tile_px : {0, 4, 12}) {
    const DecodeMode mode = {.kind = DecodeMode::Kind::kTiled, .tile_px = tile_px};
    EXPECT_THROW(decode_passes(config, mode, 32, 32), Error) << tile_px;
  }
  const DecodeMode mode = {.kind = DecodeMode::Kind::kTiled, .tile_px = 16};
  EXPECT_EQ(decode_passes(config, mode, 16, 16), 1);
  EXPECT_EQ(decode_passes(config, mode, 20, 36), 2 * 3);
}

}  // namespace
}  // namespace steadyflux
