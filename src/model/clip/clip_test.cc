#include "model/clip/clip.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>

#include "backend/reference/reference_backend.h"
#include "base/error.h"
#include "model/random_weights.h"

namespace steadyflux {
namespace {

TEST(ClipWeights, AreThoseOfTheCheckpoint) {
  const ClipConfig config;
  const auto groups = clip_groups(config);
  EXPECT_EQ(groups.size(), 14u);
  EXPECT_EQ(num_parameters(groups), 123'060'480);
  const std::vector<std::string> names = weight_names(groups);
  EXPECT_EQ(names.size(), 2u + 12 * 16 + 2);
  EXPECT_EQ(names.front(), "text_model.embeddings.token_embedding.weight");
  EXPECT_EQ(names[2], "text_model.encoder.layers.0.layer_norm1.weight");
  EXPECT_EQ(names.back(), "text_model.final_layer_norm.bias");
}

TEST(ClipPooledPosition, IsTheFirstEndToken) {
  ClipConfig config;
  config.eos_token_id = 7;
  const std::array<std::int32_t, 5> ids = {3, 9, 7, 7, 7};
  EXPECT_EQ(clip_pooled_position(config, ids), 2u);
  EXPECT_EQ(clip_pooled_position(config, std::span(ids).first(2)), 0u);
}

TEST(ClipPooledPosition, OfALegacyConfigurationIsTheFirstOfTheLargestId) {
  const ClipConfig config;
  ASSERT_EQ(config.eos_token_id, 2);
  const std::array<std::int32_t, 6> ids = {49406, 2, 320, 49407, 49407, 49407};
  EXPECT_EQ(clip_pooled_position(config, ids), 3u);
}

TEST(Clip, RefusesPromptsThatItCannotHold) {
  const ClipConfig config = {
      .vocab_size = 20, .max_positions = 4, .width = 8, .mlp_width = 16, .num_layers = 1, .num_heads = 2};
  const auto backend = make_reference_backend();
  const auto region = backend->reserve(1 << 16);
  Arena arena(region->data(), region->size_bytes());
  const Executor executor(*backend, arena);
  RandomWeights weights(clip_groups(config), 3);
  OwnedTensor pooled({1, config.width});
  for (const std::vector<std::int32_t>& ids : {std::vector<std::int32_t>{}, {1, 2, 3, 4, 5}, {1, 20}, {-1}}) {
    try {
      const ClipPrompt prompt = {ids, pooled.view()};
      encode_clip(executor, weights, config, DType::kF32, {&prompt, 1});
      ADD_FAILURE() << ids.size();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    }
  }
}

TEST(ClipConfigCheck, HeadsMustDivideTheWidth) {
  ClipConfig config;
  EXPECT_NO_THROW(check(config));
  config.num_heads = 7;
  EXPECT_THROW(check(config), Error);
}

}  // namespace
}  // namespace steadyflux
