// Pictures decoded in tiles against the reference's tiling, in f32.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "golden/backends.h"
#include "golden/golden_case.h"
#include "pipeline/model_configs.h"
#include "sampling/packing.h"

namespace steadyflux::golden {
namespace {

constexpr double kTolerance = 1e-4;

struct Tiled {
  std::string case_name;
  std::int64_t tile_px;
  std::int64_t height;  // of the latents
  std::int64_t width;

  std::string name() const {
    return std::to_string(tile_px) + "." + std::to_string(height) + "x" + std::to_string(width);
  }
};

// Sizes that end in whole tiles, in parts of one, in less than a blend; one side within a tile; both.
const Tiled kTiled[] = {
    {"guided_cfg_sharded", 32, 14, 20}, {"guided_cfg_sharded", 48, 10, 8}, {"double_only", 48, 22, 10}};

// Between [channels, pixels] and [pixels, channels].
std::vector<float> transposed(const std::vector<float>& from, std::int64_t rows) {
  const std::int64_t columns = static_cast<std::int64_t>(from.size()) / rows;
  std::vector<float> to(from.size());
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      to[static_cast<std::size_t>(c * rows + r)] = from[static_cast<std::size_t>(r * columns + c)];
    }
  }
  return to;
}

std::vector<float> decode(Backend& backend, const Case& golden, const Tiled& tiled) {
  const AutoencoderConfig config = autoencoder_config(golden.model.component_config("vae"));
  const sampling::LatentSize size = {tiled.height, tiled.width};
  HostTensor packed(DType::kF32, {size.num_tokens(), 4 * config.latent_channels});
  const std::vector<float> latents = golden.at(tiled.name() + ".latents").values();
  sampling::pack_latent<float>(size, config.latent_channels, latents,
                               {packed.view().as<float>(), static_cast<std::size_t>(packed.shape.num_elements())});
  HostTensor image(DType::kF32, {config.scale() * tiled.height, config.scale() * tiled.width, config.image_channels});
  const DecodeMode mode = {.kind = DecodeMode::Kind::kTiled, .tile_px = tiled.tile_px};
  run_planned(backend, golden.model.component_weights(Component::kAutoencoder), decoder_groups(config),
              [&](const Executor& executor, WeightSource& weights) {
                decode_latents(executor, weights, config, DType::kF32, packed.view(), image.view(), mode);
              });
  return image.values();
}

TEST(TiledGolden, BlendsTilesAsTheReferenceDoes) {
  for (const std::string& name : backend_names()) {
    const auto backend = make_backend(name);
    for (const Tiled& tiled : kTiled) {
      const Case golden = load_case(tiled.case_name, "tiled");
      const HostTensor& expected = golden.at(tiled.name() + ".image");
      const std::vector<float> pixels = transposed(expected.values(), expected.shape[0]);
      EXPECT_LE(relative_error(decode(*backend, golden, tiled), pixels), kTolerance)
          << backend->name() << ' ' << tiled.case_name << ' ' << tiled.name();
    }
  }
}

}  // namespace
}  // namespace steadyflux::golden
