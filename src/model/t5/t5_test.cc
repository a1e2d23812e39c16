#include "model/t5/t5.h"

#include <gtest/gtest.h>

#include <array>

#include <memory>

#include "backend/reference/reference_backend.h"
#include "base/error.h"
#include "model/random_weights.h"
#include "model/t5/relative_bias.h"

namespace steadyflux {
namespace {

TEST(T5Weights, AreThoseOfTheCheckpoint) {
  const T5Config config;
  const auto groups = t5_groups(config);
  EXPECT_EQ(groups.size(), 26u);
  EXPECT_EQ(num_parameters(groups), 4'762'310'656);
  const std::vector<std::string> names = weight_names(groups);
  EXPECT_EQ(names.size(), 219u);
  EXPECT_EQ(names[0], "shared.weight");
  EXPECT_EQ(names[1], "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
  EXPECT_EQ(names[2], "encoder.block.0.layer.0.layer_norm.weight");
  EXPECT_EQ(names[217], "encoder.block.23.layer.1.DenseReluDense.wo.weight");
  EXPECT_EQ(names[218], "encoder.final_layer_norm.weight");
}

// The least distance of each bucket that looks back, as the reference has them.
TEST(T5Bucket, GrowsWithDistanceLikeTheReference) {
  const T5Config xxl;
  const std::vector<std::int64_t> first_distances = {0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91};
  std::int64_t bucket = 0;
  for (std::int64_t distance = 0; distance <= 600; ++distance) {
    if (bucket < 15 && distance == first_distances[static_cast<std::size_t>(bucket + 1)]) ++bucket;
    EXPECT_EQ(t5_bucket(xxl, -distance), bucket) << distance;
    if (distance == 0) continue;
    EXPECT_EQ(t5_bucket(xxl, distance), 16 + bucket) << distance;
  }
}

TEST(T5Bucket, FollowsTheConfiguration) {
  T5Config config;
  config.num_buckets = 12;
  config.max_distance = 24;
  const std::vector<std::int64_t> ahead = {0, 7, 8, 9, 9, 9, 10, 10, 10, 10, 10, 10, 11};
  for (std::size_t distance = 0; distance < ahead.size(); ++distance) {
    EXPECT_EQ(t5_bucket(config, static_cast<std::int64_t>(distance)), ahead[distance]) << distance;
  }
}

TEST(T5RelativeBias, HasARowAHeadAndAColumnADistance) {
  const T5Config config = {.num_heads = 2, .num_buckets = 8, .max_distance = 20};
  const auto backend = make_reference_backend();
  const auto region = backend->reserve(1 << 12);
  Arena arena(region->data(), region->size_bytes());
  OwnedTensor table = random_tensor({config.num_buckets, config.num_heads}, 1);
  const Tensor bias = expand_relative_bias(Executor(*backend, arena), config, table.view(), 6);
  ASSERT_EQ(bias.shape, (Shape{2, 11}));
  for (std::int64_t head = 0; head < 2; ++head) {
    for (std::int64_t distance = -5; distance <= 5; ++distance) {
      EXPECT_EQ(bias.as<float>()[head * 11 + distance + 5],
                table.values[static_cast<std::size_t>(t5_bucket(config, distance) * 2 + head)]);
    }
  }
}

TEST(T5ConfigCheck, RefusesBucketsThatMakeNoSense) {
  EXPECT_NO_THROW(check(T5Config{}));
  EXPECT_THROW(check(T5Config{.num_buckets = 2}), Error);
  EXPECT_THROW(check(T5Config{.num_buckets = 32, .max_distance = 8}), Error);
}

TEST(T5, APromptsEmbeddingsDoNotDependOnTheOthers) {
  const T5Config config = {.vocab_size = 10, .d_model = 8, .d_kv = 4, .d_ff = 8, .num_layers = 2, .num_heads = 2};
  const auto backend = make_reference_backend();
  const auto region = backend->reserve(1 << 16);
  Arena arena(region->data(), region->size_bytes());
  const Executor executor(*backend, arena);
  RandomWeights weights(t5_groups(config), 1);
  const std::vector<std::int32_t> first_ids = {3, 9, 1};
  const std::vector<std::int32_t> second_ids = {0, 2, 5};
  OwnedTensor alone({3, config.d_model});
  OwnedTensor first({3, config.d_model});
  OwnedTensor second({3, config.d_model});
  const T5Prompt single = {second_ids, alone.view()};
  encode_t5(executor, weights, config, DType::kF32, {&single, 1});
  const std::array<T5Prompt, 2> both = {T5Prompt{first_ids, first.view()}, T5Prompt{second_ids, second.view()}};
  encode_t5(executor, weights, config, DType::kF32, both);
  EXPECT_EQ(second.values, alone.values);
  EXPECT_NE(first.values, second.values);
}

TEST(T5, RefusesIdsOutsideTheVocabulary) {
  const T5Config config = {.vocab_size = 10, .d_model = 8, .d_kv = 4, .d_ff = 8, .num_layers = 1, .num_heads = 2};
  const auto backend = make_reference_backend();
  const auto region = backend->reserve(1 << 16);
  Arena arena(region->data(), region->size_bytes());
  RandomWeights weights(t5_groups(config), 1);
  OwnedTensor embeddings({2, config.d_model});
  const std::vector<std::int32_t> ids = {3, 10};
  const T5Prompt prompt = {ids, embeddings.view()};
  EXPECT_THROW(encode_t5(Executor(*backend, arena), weights, config, DType::kF32, {&prompt, 1}), Error);
}

}  // namespace
}  // namespace steadyflux
