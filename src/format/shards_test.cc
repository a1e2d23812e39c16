#include "format/shards.h"

#include <gtest/gtest.h>

#include "format/config.h"

namespace steadyflux {
namespace {

// A tensor of `count` bytes.
TensorSpec tensor(const std::string& name, std::int64_t count) { return {name, DType::kU8, {count}}; }

std::vector<std::string> names(const Shard& shard) {
  std::vector<std::string> result;
  for (const TensorSpec& each : shard.tensors) result.push_back(each.name);
  return result;
}

using Names = std::vector<std::string>;

TEST(Shards, ANewFileBeginsBeforeTheLimitIsPassed) {
  const auto shards = shards_of("model", {tensor("c", 40), tensor("b", 60), tensor("a", 1), tensor("d", 200)}, 100);
  ASSERT_EQ(shards.size(), 3u);
  EXPECT_EQ(names(shards[0]), (Names{"b", "c"}));
  EXPECT_EQ(names(shards[1]), (Names{"a"}));
  EXPECT_EQ(names(shards[2]), (Names{"d"})) << "a tensor above the limit has a file of its own";
  EXPECT_EQ(shards[2].file_name, "model-00003-of-00003.safetensors");
  EXPECT_EQ(num_bytes(shards), 301u);
}

TEST(Shards, WhatFitsInOneFileIsCutInTwo) {
  const auto even = shards_of("model", {tensor("a", 10), tensor("b", 10), tensor("c", 10), tensor("d", 10)}, 100);
  ASSERT_EQ(even.size(), 2u);
  EXPECT_EQ(names(even[0]), (Names{"a", "b"}));
  const auto last_is_large = shards_of("model", {tensor("a", 1), tensor("b", 1), tensor("c", 90)}, 100);
  ASSERT_EQ(last_is_large.size(), 2u);
  EXPECT_EQ(names(last_is_large[1]), (Names{"c"}));
  const auto first_is_large = shards_of("model", {tensor("a", 90), tensor("b", 1), tensor("c", 1)}, 100);
  ASSERT_EQ(first_is_large.size(), 2u);
  EXPECT_EQ(names(first_is_large[0]), (Names{"a"}));
}

TEST(Shards, OneFileHasThePlainName) {
  const auto shards = one_file("model", {tensor("b", 1), tensor("a", 1)});
  ASSERT_EQ(shards.size(), 1u);
  EXPECT_EQ(shards[0].file_name, "model.safetensors");
  EXPECT_EQ(names(shards[0]), (Names{"a", "b"}));
}

TEST(Shards, FollowAPublishedCutButNotItsFileNames) {
  const WeightMap published = {{"a", "../../x2"}, {"b", "x1"}, {"c", "../../x2"}};
  const auto shards = shards_like(published, "model", {tensor("a", 1), tensor("b", 1), tensor("c", 1)});
  ASSERT_TRUE(shards.has_value());
  ASSERT_EQ(shards->size(), 2u);
  EXPECT_EQ(names(shards->at(0)), (Names{"a", "c"}));
  EXPECT_EQ(shards->at(0).file_name, "model-00001-of-00002.safetensors");
  EXPECT_FALSE(shards_like(published, "model", {tensor("a", 1), tensor("b", 1)}).has_value());
  EXPECT_FALSE(shards_like(published, "model", {tensor("a", 1), tensor("b", 1), tensor("d", 1)}).has_value());
}

TEST(Shards, TheIndexNamesEveryTensorsFile) {
  const auto shards = shards_of("model", {tensor("a", 60), tensor("b", 60)}, 100);
  const Config index = Config::parse(index_json(shards), "index");
  EXPECT_EQ(index.require_section("metadata").require_int("total_size"), 120);
  EXPECT_EQ(index.require_section("weight_map").require_string("b"), "model-00002-of-00002.safetensors");
}

}  // namespace
}  // namespace steadyflux
