#include "pipeline/infer_config.h"

#include <gtest/gtest.h>

#include "io/expect_error.h"
#include "io/memory_file.h"
#include "memory/lease.h"

namespace steadyflux {
namespace {

// The weights of a transformer with this configuration, without their bytes.
WeightEntries entries_of(const FluxConfig& config) {
  WeightEntries entries;
  for (const auto& groups : {flux_modulate_groups(config), flux_denoise_groups(config)}) {
    for (const GroupSpec& group : groups) {
      for (const WeightSpec& weight : group.weights) {
        WeightEntry& entry = entries[weight.name];
        for (int i = 0; i < weight.shape.rank(); ++i) entry.shape.push_back(weight.shape[i]);
      }
    }
  }
  return entries;
}

WeightIndex index_of(WeightEntries entries) {
  const auto file = std::make_shared<MemoryFile>("w.safetensors", std::string("\2\0\0\0\0\0\0\0{}", 10));
  return WeightIndex("test", {file}).with_entries(std::move(entries));
}

void expect_same(const FluxConfig& found, const FluxConfig& expected) {
  EXPECT_EQ(found.in_channels, expected.in_channels);
  EXPECT_EQ(found.out_channels, expected.out_channels);
  EXPECT_EQ(found.num_double_blocks, expected.num_double_blocks);
  EXPECT_EQ(found.num_single_blocks, expected.num_single_blocks);
  EXPECT_EQ(found.num_heads, expected.num_heads);
  EXPECT_EQ(found.head_dim, expected.head_dim);
  EXPECT_EQ(found.joint_attention_dim, expected.joint_attention_dim);
  EXPECT_EQ(found.pooled_projection_dim, expected.pooled_projection_dim);
  EXPECT_EQ(found.guidance_embeds, expected.guidance_embeds);
  EXPECT_EQ(found.axes_dims_rope, expected.axes_dims_rope);
}

TEST(InferFluxConfig, ReadsItOffTheShapes) {
  FluxConfig config;
  expect_same(infer_flux_config(index_of(entries_of(config)), std::nullopt), config);
  config = {.in_channels = 384,
            .num_double_blocks = 1,
            .num_single_blocks = 12,
            .num_heads = 3,
            .joint_attention_dim = 99,
            .pooled_projection_dim = 7,
            .guidance_embeds = false};
  expect_same(infer_flux_config(index_of(entries_of(config)), std::nullopt), config);
  config.num_double_blocks = 0;
  expect_same(infer_flux_config(index_of(entries_of(config)), std::nullopt), config);
}

TEST(InferFluxConfig, TakesTheAxesFromALikeModel) {
  const FluxConfig small = {
      .num_double_blocks = 1, .num_single_blocks = 0, .num_heads = 2, .head_dim = 64, .axes_dims_rope = {8, 28, 28}};
  expect_same(infer_flux_config(index_of(entries_of(small)), small), small);
  expect_error(ErrorCode::kUnsupported, "heads of 64", [&] { infer_flux_config(index_of(entries_of(small)), {}); });
  expect_error(ErrorCode::kUnsupported, "heads of 64",
               [&] { infer_flux_config(index_of(entries_of(small)), FluxConfig{}); });
}

TEST(InferFluxConfig, RefusesWeightsOfSomethingElse) {
  WeightEntries entries = entries_of({.num_double_blocks = 1, .num_single_blocks = 1});
  WeightEntries without = entries;
  without.erase("x_embedder.weight");
  expect_error(ErrorCode::kNotFound, "x_embedder.weight", [&] { infer_flux_config(index_of(without), {}); });
  entries["x_embedder.weight"].shape = {3073, 64};
  expect_error(ErrorCode::kInvalidFile, "a width of 3073 cannot be divided",
               [&] { infer_flux_config(index_of(entries), {}); });
  entries["x_embedder.weight"].shape = {3072};
  expect_error(ErrorCode::kInvalidFile, "1 dimensions, not 2", [&] { infer_flux_config(index_of(entries), {}); });
}

}  // namespace
}  // namespace steadyflux
