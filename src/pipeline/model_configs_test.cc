#include "pipeline/model_configs.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace steadyflux {
namespace {

Config parse(std::string_view text) { return Config::parse(text, "config.json"); }

// The message of the Error with the expected code; a failed test otherwise.
template <typename Read>
std::string message_of(ErrorCode code, Read&& read) {
  try {
    read();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

TEST(FluxModelConfig, AbsentKeysHaveTheReferencesDefaults) {
  const FluxConfig config = flux_config(parse(R"({"in_channels": 384, "out_channels": 64, "guidance_embeds": true})"));
  EXPECT_EQ(config.in_channels, 384);
  EXPECT_EQ(config.out_channels, 64);
  EXPECT_EQ(config.num_double_blocks, 19);
  EXPECT_EQ(config.num_single_blocks, 38);
  EXPECT_EQ(config.width(), 3072);
  EXPECT_TRUE(config.guidance_embeds);
  EXPECT_FALSE(flux_config(parse("{}")).guidance_embeds);
  EXPECT_EQ(flux_config(parse(R"({"in_channels": 16, "out_channels": null})")).out_channels, 16);
}

TEST(FluxModelConfig, RefusesWhatItCannotRunByName) {
  EXPECT_NE(message_of(ErrorCode::kUnsupported, [] { flux_config(parse(R"({"patch_size": 2})")); }).find("patch_size"),
            std::string::npos);
  const std::string message =
      message_of(ErrorCode::kInvalidFile, [] { flux_config(parse(R"({"attention_head_dim": 64})")); });
  EXPECT_NE(message.find("config.json"), std::string::npos) << message;
  EXPECT_NE(message.find("axes_dims_rope"), std::string::npos) << message;
  message_of(ErrorCode::kUnsupported, [] { flux_config(parse(R"({"axes_dims_rope": [64, 64]})")); });
}

TEST(ClipModelConfig, KnowsBothActivations) {
  EXPECT_EQ(clip_config(parse(R"({"hidden_act": "gelu"})")).activation, ops::Activation::kGeluErf);
  const ClipConfig config = clip_config(parse(R"({"hidden_size": 768, "num_attention_heads": 12})"));
  EXPECT_EQ(config.activation, ops::Activation::kQuickGelu);
  EXPECT_EQ(config.eos_token_id, 49407);
  message_of(ErrorCode::kUnsupported, [] { clip_config(parse(R"({"hidden_act": "relu"})")); });
  message_of(ErrorCode::kInvalidFile, [] { clip_config(parse(R"({"num_attention_heads": 7})")); });
}

TEST(T5ModelConfig, RunsGatedGeluOnly) {
  EXPECT_EQ(t5_config(parse(R"({"feed_forward_proj": "gated-gelu", "d_model": 4096})")).d_model, 4096);
  const std::string message =
      message_of(ErrorCode::kUnsupported, [] { t5_config(parse(R"({"feed_forward_proj": "gated-silu"})")); });
  EXPECT_NE(message.find("gated-silu"), std::string::npos) << message;
  message_of(ErrorCode::kUnsupported, [] { t5_config(parse("{}")); });
}

TEST(AutoencoderModelConfig, QuantConvolutionsAreThereUnlessSaidOtherwise) {
  const AutoencoderConfig config =
      autoencoder_config(parse(R"({"shift_factor": 0.1159, "use_quant_conv": false, "norm_num_groups": 16})"));
  EXPECT_FALSE(config.quant_conv);
  EXPECT_TRUE(config.post_quant_conv);
  EXPECT_EQ(config.block_channels, std::vector<std::int64_t>{64});
}

TEST(AutoencoderModelConfig, RefusesWhatItCannotRunByName) {
  message_of(ErrorCode::kNotFound, [] { autoencoder_config(parse("{}")); });
  message_of(ErrorCode::kUnsupported, [] { autoencoder_config(parse(R"({"shift_factor": 0, "act_fn": "relu"})")); });
  message_of(ErrorCode::kUnsupported,
             [] { autoencoder_config(parse(R"({"shift_factor": 0, "up_block_types": ["AttnUpDecoderBlock2D"]})")); });
  message_of(ErrorCode::kInvalidFile, [] {
    autoencoder_config(parse(R"({"shift_factor": 0, "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"]})"));
  });
}

}  // namespace
}  // namespace steadyflux
