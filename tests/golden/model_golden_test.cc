// Every stage of every model against the reference: each stage is given the reference's own input.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "golden/backends.h"
#include "golden/golden_case.h"
#include "pipeline/model_configs.h"
#include "sampling/packing.h"
#include "sampling/timestep.h"

namespace steadyflux::golden {
namespace {

constexpr double kToleranceF32 = 1e-4;
// Both sides round after every layer, not in the same places: up to eight roundings of the largest element.
constexpr double kToleranceBf16 = 8.0 / 256;

// Tells when a group's lease has ended, so that a test can look at what was computed with it.
class ProbedWeights final : public WeightSource {
 public:
  ProbedWeights(WeightSource& source, std::function<void(std::size_t)> after_group)
      : source_(source), after_group_(std::move(after_group)) {}

  std::size_t num_groups() const override { return source_.num_groups(); }
  Lease acquire(std::size_t group) override {
    const Lease lease = source_.acquire(group);
    return {*this, group, lease.tensors()};
  }

 private:
  void release(std::size_t group) noexcept override { after_group_(group); }

  WeightSource& source_;
  std::function<void(std::size_t)> after_group_;
};

struct Parameters {
  std::string case_name;
  std::string backend;
  DType activations;

  std::string name() const { return case_name + "_" + backend + "_" + std::string(dtype_name(activations)); }
  friend std::ostream& operator<<(std::ostream& out, const Parameters& parameters) { return out << parameters.name(); }
};

class ModelGolden : public testing::TestWithParam<Parameters> {
 protected:
  void expect_close(const HostTensor& actual, std::string_view name) const {
    expect_close(actual.values(), golden_.at(name).values(), name);
  }
  void expect_close(std::span<const float> actual, std::span<const float> expected, std::string_view name) const {
    EXPECT_LE(relative_error(actual, expected), tolerance()) << name;
  }
  double tolerance() const { return activations_ == DType::kF32 ? kToleranceF32 : kToleranceBf16; }

  HostTensor input(std::string_view name) const { return golden_.at(name); }

  // A row of sinusoids for each of `taus`.
  static HostTensor sinusoids(std::span<const float> taus) {
    const auto count = static_cast<std::int64_t>(taus.size());
    HostTensor rows(DType::kF32, {count, kSinusoidWidth});
    for (std::int64_t i = 0; i < count; ++i) {
      sampling::timestep_embedding(taus[static_cast<std::size_t>(i)],
                                   std::span<float, sampling::kTimestepEmbeddingSize>(
                                       rows.view().rows(i, 1).as<float>(), sampling::kTimestepEmbeddingSize));
    }
    return rows;
  }

  // The modulation table of the positive prompt (and of the negative one, if any, below it), and the embedded prompts.
  struct Modulated {
    HostTensor table;
    std::vector<HostTensor> txts;
  };
  Modulated run_modulate() {
    const FluxConfig config = flux_config(golden_.model.component_config("transformer"));
    const std::vector<float> tau = golden_.at("tau").values();
    HostTensor timesteps = sinusoids(tau);
    HostTensor guidance;
    if (config.guidance_embeds) {
      const std::vector<float> guidances = golden_.at("guidance_in").values();
      guidance = sinusoids(std::span(guidances).first(1));
    }

    std::vector<std::string> sides = {""};
    if (golden_.has("negative_prompt_embeds")) sides.emplace_back("negative_");
    Modulated result{
        HostTensor(activations_, {static_cast<std::int64_t>(sides.size() * tau.size()), modulation_width(config)}), {}};
    std::vector<HostTensor> embeds;
    std::vector<HostTensor> pooled;
    std::vector<FluxConditioning> conditionings;
    for (const std::string& side : sides) {
      embeds.push_back(input(side + "prompt_embeds"));
      pooled.push_back(input(side + "pooled_prompt_embeds"));
      result.txts.emplace_back(activations_, Shape{embeds.back().shape[0], config.width()});
    }
    for (std::size_t i = 0; i < sides.size(); ++i) {
      conditionings.push_back({.prompt_embeds = embeds[i].view(),
                               .pooled = pooled[i].view().reshaped({1, config.pooled_projection_dim}),
                               .guidance = config.guidance_embeds ? guidance.view() : Tensor{},
                               .txt = result.txts[i].view()});
    }
    run_planned(
        *backend_, transformer_, flux_modulate_groups(config), [&](const Executor& executor, WeightSource& weights) {
          modulate(executor, weights, config, activations_, timesteps.view(), conditionings, result.table.view());
        });
    return result;
  }

  // Columns [begin, begin + width) of the first `rows` rows of a table.
  static std::vector<float> columns(const HostTensor& table, std::int64_t rows, std::int64_t begin,
                                    std::int64_t width) {
    const std::vector<float> values = table.values();
    std::vector<float> result;
    for (std::int64_t row = 0; row < rows; ++row) {
      const auto first = values.begin() + row * table.shape[1] + begin;
      result.insert(result.end(), first, first + width);
    }
    return result;
  }

  // [channels, height, width] as the reference holds pixels to [height, width, channels].
  static HostTensor to_pixels(const HostTensor& planes) {
    const std::int64_t channels = planes.shape[0];
    const std::int64_t num_pixels = planes.shape[1] * planes.shape[2];
    const std::vector<float> from = planes.values();
    std::vector<float> to(from.size());
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t i = 0; i < num_pixels; ++i) {
        to[static_cast<std::size_t>(i * channels + c)] = from[static_cast<std::size_t>(c * num_pixels + i)];
      }
    }
    return make_tensor(to, {planes.shape[1], planes.shape[2], channels});
  }

  // [channels, height, width] to packed tokens.
  static HostTensor pack(const HostTensor& latent) {
    const std::vector<float> from = latent.values();
    std::vector<float> to(from.size());
    const sampling::LatentSize size = {latent.shape[1], latent.shape[2]};
    sampling::pack_latent<float>(size, latent.shape[0], from, to);
    return make_tensor(to, {size.num_tokens(), 4 * latent.shape[0]});
  }

  std::string last_step() const { return std::to_string(golden_.at("tau").shape[0] - 1); }

  DType activations_ = GetParam().activations;
  Case golden_ = load_case(GetParam().case_name, activations_ == DType::kF32 ? "expected" : "expected_bf16");
  WeightIndex transformer_ = golden_.model.component_weights(Component::kTransformer);
  std::unique_ptr<Backend> backend_ = make_backend(GetParam().backend);
};

TEST_P(ModelGolden, ClipPoolsThePrompt) {
  const ClipConfig config = clip_config(golden_.model.component_config("text_encoder"));
  const WeightIndex index = golden_.model.component_weights(Component::kClip);
  for (const std::string side : {"", "negative_"}) {
    if (!golden_.has(side + "clip_token_ids")) continue;
    const std::vector<std::int32_t> ids = golden_.token_ids(side + "clip_token_ids");
    const auto prompt = std::span(ids).first(clip_pooled_position(config, ids) + 1);
    HostTensor pooled(activations_, {1, config.width});
    run_planned(*backend_, index, clip_groups(config), [&](const Executor& executor, WeightSource& weights) {
      const ClipPrompt clip_prompt = {prompt, pooled.view()};
      encode_clip(executor, weights, config, activations_, {&clip_prompt, 1});
    });
    expect_close(pooled, side + "pooled_prompt_embeds");
  }
}

TEST_P(ModelGolden, T5EmbedsThePrompt) {
  const T5Config config = t5_config(golden_.model.component_config("text_encoder_2"));
  const WeightIndex index = golden_.model.component_weights(Component::kT5);
  for (const std::string side : {"", "negative_"}) {
    if (!golden_.has(side + "t5_token_ids")) continue;
    const std::vector<std::int32_t> ids = golden_.token_ids(side + "t5_token_ids");
    HostTensor embeds(activations_, {static_cast<std::int64_t>(ids.size()), config.d_model});
    run_planned(*backend_, index, t5_groups(config), [&](const Executor& executor, WeightSource& weights) {
      const T5Prompt prompt = {ids, embeds.view()};
      encode_t5(executor, weights, config, activations_, {&prompt, 1});
    });
    expect_close(embeds, side + "prompt_embeds");
  }
}

TEST_P(ModelGolden, ModulationsOfEveryStep) {
  const FluxConfig config = flux_config(golden_.model.component_config("transformer"));
  const Modulated modulated = run_modulate();
  const std::int64_t width = config.width();
  const std::int64_t steps = golden_.at("tau").shape[0];
  expect_close(modulated.txts[0], "embed.txt");
  std::int64_t column = 0;
  if (config.num_double_blocks > 0) {
    expect_close(columns(modulated.table, steps, 0, 6 * width), golden_.at("mod.double0.img").values(), "img");
    expect_close(columns(modulated.table, steps, 6 * width, 6 * width), golden_.at("mod.double0.txt").values(), "txt");
    column += 12 * width * config.num_double_blocks;
  }
  if (config.num_single_blocks > 0) {
    expect_close(columns(modulated.table, steps, column, 3 * width), golden_.at("mod.single0").values(), "single");
    column += 3 * width * config.num_single_blocks;
  }
  expect_close(columns(modulated.table, steps, column, 2 * width), golden_.at("mod.final").values(), "final");
}

TEST_P(ModelGolden, RopeTable) {
  const FluxConfig config = flux_config(golden_.model.component_config("transformer"));
  const std::int64_t txt_tokens = golden_.at("embed.txt").shape[0];
  const HostTensor& latent = golden_.at("decode.input");
  const std::vector<float> table = rope_table(config, txt_tokens, latent.shape[1] / 2, latent.shape[2] / 2);
  const std::vector<float> cosines = golden_.at("rope.cos").values();
  const std::vector<float> sines = golden_.at("rope.sin").values();
  ASSERT_EQ(table.size(), cosines.size());
  for (std::size_t i = 0; i < table.size(); i += 2) {
    ASSERT_FLOAT_EQ(table[i], cosines[i]) << i;
    ASSERT_FLOAT_EQ(table[i + 1], sines[i]) << i;
  }
}

TEST_P(ModelGolden, VelocityOfEveryStepAndTheStreamAfterEveryBlock) {
  const FluxConfig config = flux_config(golden_.model.component_config("transformer"));
  Modulated modulated = run_modulate();
  const std::int64_t steps = golden_.at("tau").shape[0];
  const std::int64_t txt_tokens = modulated.txts[0].shape[0];
  const HostTensor& latent = golden_.at("decode.input");
  const std::vector<float> rope = rope_table(config, txt_tokens, latent.shape[1] / 2, latent.shape[2] / 2);
  const std::int64_t img_tokens = golden_.at("latents.init").shape[0];
  HostTensor pe = make_tensor(rope, {txt_tokens + img_tokens, config.head_dim});

  for (std::int64_t step = 0; step < steps; ++step) {
    HostTensor latents = input(step == 0 ? "latents.init" : "latents." + std::to_string(step - 1));
    std::vector<HostTensor> velocities(modulated.txts.size(),
                                       HostTensor(activations_, {img_tokens, config.out_channels}));
    std::vector<FluxPass> passes;
    for (std::size_t i = 0; i < modulated.txts.size(); ++i) {
      passes.push_back(
          {.latents = latents.view(),
           .txt = modulated.txts[i].view(),
           .pe = pe.view(),
           .modulations = modulated.table.view().rows(modulation_row(static_cast<std::int64_t>(i), step, steps), 1),
           .velocity = velocities[i].view(),
           .stream = {}});
    }
    const auto after_group = [&](std::size_t group) {
      const auto block = static_cast<std::int64_t>(group) - 1;
      if (step > 0 || passes[0].stream.data == nullptr) return;
      const float* stream = passes[0].stream.as<float>();
      const auto num_txt = static_cast<std::size_t>(txt_tokens * config.width());
      const auto num_img = static_cast<std::size_t>(img_tokens * config.width());
      const std::span<const float> txt(stream, num_txt);
      const std::span<const float> img(stream + num_txt, num_img);
      if (block < config.num_double_blocks) {
        const std::string name = block < 0 ? "embed" : "double." + std::to_string(block);
        expect_close(txt, golden_.at(name + ".txt").values(), name + ".txt");
        expect_close(img, golden_.at(name + ".img").values(), name + ".img");
      } else if (block < config.num_double_blocks + config.num_single_blocks) {
        const std::string name = "single." + std::to_string(block - config.num_double_blocks);
        const std::vector<float> joint = golden_.at(name).values();
        const bool last = block + 1 == config.num_double_blocks + config.num_single_blocks;
        if (!last) expect_close(txt, std::span(joint).first(num_txt), name + " txt");
        expect_close(img, std::span(joint).last(num_img), name + " img");
      }
    };
    run_planned(*backend_, transformer_, flux_denoise_groups(config),
                [&](const Executor& executor, WeightSource& weights) {
                  if (executor.backend().name() == "measure") {
                    predict_velocity(executor, weights, config, activations_, passes);
                    return;
                  }
                  ProbedWeights probed(weights, after_group);
                  predict_velocity(executor, probed, config, activations_, passes);
                });
    expect_close(velocities[0], "velocity." + std::to_string(step));
    if (velocities.size() > 1) expect_close(velocities[1], "velocity_neg." + std::to_string(step));
  }
}

TEST_P(ModelGolden, DecodesTheImage) {
  const AutoencoderConfig config = autoencoder_config(golden_.model.component_config("vae"));
  const WeightIndex index = golden_.model.component_weights(Component::kAutoencoder);
  const HostTensor expected = to_pixels(golden_.at("image"));
  HostTensor packed = input("latents." + last_step());
  HostTensor image(activations_, expected.shape);
  HostTensor rgb(DType::kU8, expected.shape);
  run_planned(*backend_, index, decoder_groups(config), [&](const Executor& executor, WeightSource& weights) {
    decode_latents(executor, weights, config, activations_, packed.view(), image.view());
    executor.run(ops::ToRgb8{image.view(), rgb.view()});
  });
  expect_close(image.values(), expected.values(), "image");
  // Nearly equal values may round to neighbouring levels.
  EXPECT_LE(relative_error(rgb.values(), golden_.at("image_u8").values()), std::max(tolerance(), 1.0 / 255));
}

TEST_P(ModelGolden, EncodesAnImage) {
  const AutoencoderConfig config = autoencoder_config(golden_.model.component_config("vae"));
  const WeightIndex index = golden_.model.component_weights(Component::kAutoencoder);
  const HostTensor expected = pack(golden_.at("encode.latents"));
  HostTensor image = to_pixels(golden_.at("encode.input"));
  HostTensor packed(DType::kF32, expected.shape);
  run_planned(*backend_, index, encoder_groups(config), [&](const Executor& executor, WeightSource& weights) {
    encode_image(executor, weights, config, activations_, image.view(), packed.view());
  });
  expect_close(packed.values(), expected.values(), "latents");
}

std::vector<Parameters> all_parameters() {
  std::vector<Parameters> all;
  for (const std::string& name : case_names()) {
    for (const std::string& backend : backend_names()) {
      all.push_back({name, backend, DType::kF32});
      if (has_expected(name, "expected_bf16")) all.push_back({name, backend, DType::kBF16});
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Cases, ModelGolden, testing::ValuesIn(all_parameters()),
                         [](const auto& test) { return test.param.name(); });

}  // namespace
}  // namespace steadyflux::golden
