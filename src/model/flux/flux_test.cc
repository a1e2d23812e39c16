#include "model/flux/flux.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "backend/host_backend.h"
#include "backend/reference/reference_backend.h"
#include "base/error.h"
#include "model/flux/blocks.h"
#include "model/flux/modulation_layers.h"
#include "model/random_weights.h"
#include "ops/count_allocations.h"

namespace steadyflux {
namespace {

FluxConfig tiny_config() {
  return {.in_channels = 8,
          .out_channels = 8,
          .num_double_blocks = 2,
          .num_single_blocks = 2,
          .num_heads = 2,
          .head_dim = 8,
          .joint_attention_dim = 12,
          .pooled_projection_dim = 10,
          .guidance_embeds = true,
          .axes_dims_rope = {2, 2, 4}};
}

// One image's inputs and output on the host.
struct Image {
  Image(const FluxConfig& config, std::int64_t txt_tokens, std::int64_t height, std::int64_t width, std::uint32_t seed)
      : latents(random_tensor({height * width, config.in_channels}, seed)),
        txt(random_tensor({txt_tokens, config.width()}, seed + 1)),
        pe({txt_tokens + height * width, config.head_dim}),
        modulations(random_tensor({1, modulation_width(config)}, seed + 2, 0.5f)),
        velocity({height * width, config.out_channels}) {
    pe.values = rope_table(config, txt_tokens, height, width);
  }

  FluxPass pass() {
    return {.latents = latents.view(),
            .txt = txt.view(),
            .pe = pe.view(),
            .modulations = modulations.view(),
            .velocity = velocity.view(),
            .stream = {}};
  }

  OwnedTensor latents, txt, pe, modulations, velocity;
};

class Flux : public testing::Test {
 protected:
  void denoise(const FluxConfig& config, std::span<FluxPass> passes) {
    RandomWeights weights(flux_denoise_groups(config), 77);
    predict_velocity(executor_, weights, config, DType::kF32, passes);
    std::vector<std::size_t> in_order(weights.num_groups());
    std::iota(in_order.begin(), in_order.end(), 0u);
    EXPECT_EQ(weights.acquired(), in_order);
  }

  std::unique_ptr<Backend> backend_ = make_reference_backend();
  std::unique_ptr<Region> region_ = backend_->reserve(1 << 20);
  Arena arena_{region_->data(), region_->size_bytes()};
  Executor executor_{*backend_, arena_};
};

TEST(FluxWeights, AreThoseOfTheCheckpoint) {
  const FluxConfig dev;
  const auto modulate_groups = flux_modulate_groups(dev);
  const auto denoise_groups = flux_denoise_groups(dev);
  EXPECT_EQ(modulate_groups.size(), 2u + 19 * 2 + 38 + 2);
  EXPECT_EQ(denoise_groups.size(), 1u + 19 + 38 + 1);
  EXPECT_EQ(num_parameters(modulate_groups) + num_parameters(denoise_groups), 11'901'408'320);

  std::vector<std::string> names = weight_names(modulate_groups);
  const std::vector<std::string> more = weight_names(denoise_groups);
  names.insert(names.end(), more.begin(), more.end());
  EXPECT_EQ(names.size(), 780u + 380u + 2);  // norm_out is two layers
  std::ranges::sort(names);
  EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
  for (const char* name : {"context_embedder.weight",
                           "norm_out.scale.linear.weight",
                           "norm_out.shift.linear.bias",
                           "proj_out.bias",
                           "x_embedder.weight",
                           "single_transformer_blocks.37.attn.norm_k.weight",
                           "single_transformer_blocks.37.norm.linear.weight",
                           "single_transformer_blocks.0.proj_mlp.bias",
                           "single_transformer_blocks.0.proj_out.weight",
                           "time_text_embed.guidance_embedder.linear_2.bias",
                           "time_text_embed.text_embedder.linear_1.weight",
                           "time_text_embed.timestep_embedder.linear_1.weight",
                           "transformer_blocks.0.attn.add_q_proj.bias",
                           "transformer_blocks.0.attn.norm_added_k.weight",
                           "transformer_blocks.18.attn.to_add_out.weight",
                           "transformer_blocks.18.attn.to_out.0.bias",
                           "transformer_blocks.18.ff.net.0.proj.weight",
                           "transformer_blocks.18.ff_context.net.2.bias",
                           "transformer_blocks.3.norm1.linear.bias",
                           "transformer_blocks.3.norm1_context.linear.weight"}) {
    EXPECT_TRUE(std::ranges::binary_search(names, name)) << name;
  }

  FluxConfig schnell;
  schnell.guidance_embeds = false;
  EXPECT_EQ(num_parameters(flux_modulate_groups(schnell)) + num_parameters(flux_denoise_groups(schnell)),
            11'891'178'560);
}

TEST(FluxWeights, ModulationLayersFillTheTableWithoutGaps) {
  const FluxConfig dev;
  std::int64_t column = 0;
  for (const FluxModulationLayer& layer : flux_modulation_layers(dev)) {
    EXPECT_EQ(layer.column, column) << layer.name;
    column += layer.width;
  }
  EXPECT_EQ(column, modulation_width(dev));
  EXPECT_EQ(column, 1'056'768);
}

TEST(FluxConfigCheck, RopeAxesMustFillAHead) {
  FluxConfig config;
  EXPECT_NO_THROW(check(config));
  config.axes_dims_rope = {16, 56, 58};
  EXPECT_THROW(check(config), Error);
  config.axes_dims_rope = {15, 57, 56};
  EXPECT_THROW(check(config), Error);
}

TEST(RopeTable, PromptStandsStillAndImageTurnsByRowAndColumn) {
  const FluxConfig config = tiny_config();
  const std::vector<float> table = rope_table(config, 1, 2, 3);
  ASSERT_EQ(table.size(), 7u * 8);
  for (std::size_t i = 0; i < 8; i += 2) {
    EXPECT_EQ(table[i], 1.0f);
    EXPECT_EQ(table[i + 1], 0.0f);
  }
  // Token of row 1, column 2: one pair for the unused axis, one for the row, two for the column.
  const float* last = table.data() + 6 * 8;
  EXPECT_EQ(last[0], 1.0f);
  EXPECT_FLOAT_EQ(last[3], std::sin(1.0f));
  EXPECT_FLOAT_EQ(last[4], std::cos(2.0f));
  EXPECT_FLOAT_EQ(last[7], std::sin(2.0f / 100));
}

TEST_F(Flux, PassesOfABatchAreBitForBitTheirSingleRuns) {
  const FluxConfig config = tiny_config();
  Image first(config, 5, 3, 4, 1);
  Image second(config, 7, 2, 2, 10);
  std::vector<FluxPass> both = {first.pass(), second.pass()};
  denoise(config, both);
  const std::vector<float> first_in_batch = first.velocity.values;
  const std::vector<float> second_in_batch = second.velocity.values;
  EXPECT_GT(std::abs(first_in_batch[0]), 0);

  for (Image* image : {&first, &second}) {
    std::ranges::fill(image->velocity.values, 0.0f);
    FluxPass alone = image->pass();
    denoise(config, {&alone, 1});
  }
  EXPECT_EQ(first.velocity.values, first_in_batch);
  EXPECT_EQ(second.velocity.values, second_in_batch);
}

TEST_F(Flux, SkippingTheTextOfTheLastBlockChangesNoImageToken) {
  const FluxConfig config = tiny_config();
  Image image(config, 5, 3, 4, 1);
  RandomWeights weights(flux_denoise_groups(config), 5);
  const Lease lease = weights.acquire(3);
  const auto block = bind_weights<FluxSingleBlock>(lease, config);
  const Modulation modulation = modulation_at(image.modulations.view(), 0, config.width());
  const auto run = [&](bool img_only) {
    OwnedTensor stream = random_tensor({5 + 12, config.width()}, 42);
    FluxPass pass = image.pass();
    pass.stream = stream.view();
    single_block(executor_, config, block, modulation, DType::kF32, img_only, pass);
    return stream.values;
  };
  const std::vector<float> full = run(false);
  const std::vector<float> skipped = run(true);
  const auto num_txt = static_cast<std::ptrdiff_t>(5 * config.width());
  EXPECT_TRUE(std::equal(full.begin() + num_txt, full.end(), skipped.begin() + num_txt));
  EXPECT_FALSE(std::equal(full.begin(), full.begin() + num_txt, skipped.begin()));
}

TEST_F(Flux, RunsWithoutDoubleOrWithoutSingleBlocks) {
  for (const bool doubles : {false, true}) {
    FluxConfig config = tiny_config();
    (doubles ? config.num_single_blocks : config.num_double_blocks) = 0;
    Image image(config, 5, 3, 4, 1);
    FluxPass pass = image.pass();
    denoise(config, {&pass, 1});
    EXPECT_TRUE(std::isfinite(image.velocity.values[0]));
    EXPECT_NE(image.velocity.values[0], 0);
  }
}

TEST_F(Flux, ModulationRowsBelongToOneStepOfOneConditioning) {
  const FluxConfig config = tiny_config();
  const std::int64_t steps = 3;
  RandomWeights weights(flux_modulate_groups(config), 9);
  OwnedTensor timesteps = random_tensor({steps, kSinusoidWidth}, 1);
  OwnedTensor embeds = random_tensor({5, config.joint_attention_dim}, 2);
  OwnedTensor pooled_a = random_tensor({1, config.pooled_projection_dim}, 3);
  OwnedTensor pooled_b = random_tensor({1, config.pooled_projection_dim}, 4);
  OwnedTensor guidance = random_tensor({1, kSinusoidWidth}, 5);
  OwnedTensor txt({5, config.width()});
  const auto run = [&](const Tensor& times, std::span<const FluxConditioning> conditionings) {
    OwnedTensor table({static_cast<std::int64_t>(conditionings.size()) * times.dim(0), modulation_width(config)});
    modulate(executor_, weights, config, DType::kF32, times, conditionings, table.view());
    return table.values;
  };
  const auto conditioning = [&](OwnedTensor& pooled) {
    return FluxConditioning{
        .prompt_embeds = embeds.view(), .pooled = pooled.view(), .guidance = guidance.view(), .txt = txt.view()};
  };
  const std::array<FluxConditioning, 2> both = {conditioning(pooled_a), conditioning(pooled_b)};
  const std::vector<float> table = run(timesteps.view(), both);
  const auto width = static_cast<std::ptrdiff_t>(modulation_width(config));
  const std::vector<float> alone = run(timesteps.view().rows(2, 1), {&both[1], 1});
  const auto row = table.begin() + width * modulation_row(1, 2, steps);
  EXPECT_TRUE(std::equal(alone.begin(), alone.end(), row));
  EXPECT_FALSE(std::equal(alone.begin(), alone.end(), table.begin() + width * modulation_row(0, 2, steps)));
  EXPECT_EQ(arena_.used_bytes(), 0u);
}

TEST_F(Flux, MemoryOfAStepIsStreamsAndOneBlocksBuffers) {
  const FluxConfig config = tiny_config();
  const std::int64_t tokens = 32 + 64;
  Image first(config, 32, 8, 8, 1);
  Image second(config, 32, 8, 8, 4);
  std::vector<FluxPass> passes = {first.pass(), second.pass()};
  denoise(config, passes);
  const auto stream = static_cast<std::size_t>(tokens * config.width()) * sizeof(float);
  // Of a single block: queries, keys, values (3), attention output and MLP side by side (5).
  EXPECT_EQ(arena_.peak_bytes() - arena_.peak_scratch_bytes(), 2 * stream + 8 * stream);
}

class IdleBackend final : public HostBackend {
 public:
  std::string_view name() const override { return "idle"; }
  std::size_t scratch_bytes(const ops::Op&) override { return 0; }
  void run(const ops::Op&, std::span<std::byte>) override { ++num_ops; }
  std::unique_ptr<Region> reserve(std::size_t) override { return nullptr; }
  void upload(std::span<const std::byte>, const Tensor&) override {}
  void download(const Tensor&, std::span<std::byte>) override {}

  int num_ops = 0;
};

// Weights in one order that is known beforehand, so that acquiring allocates nothing either.
class BoundWeights final : public WeightSource {
 public:
  explicit BoundWeights(RandomWeights& weights) {
    for (std::size_t i = 0; i < weights.num_groups(); ++i) groups_.push_back(weights.acquire(i).tensors());
  }
  std::size_t num_groups() const override { return groups_.size(); }
  Lease acquire(std::size_t group) override { return {*this, group, groups_[group]}; }

 private:
  void release(std::size_t) noexcept override {}

  std::vector<std::span<const Tensor>> groups_;
};

TEST_F(Flux, AStepAllocatesNothing) {
  const FluxConfig config = tiny_config();
  RandomWeights random_weights(flux_denoise_groups(config), 1);
  BoundWeights weights(random_weights);
  Image image(config, 5, 3, 4, 1);
  FluxPass pass = image.pass();
  IdleBackend idle;
  const std::size_t before = num_allocations();
  predict_velocity(Executor(idle, arena_), weights, config, DType::kF32, {&pass, 1});
  EXPECT_EQ(num_allocations(), before);
  EXPECT_GT(idle.num_ops, 30);
}

}  // namespace
}  // namespace steadyflux
