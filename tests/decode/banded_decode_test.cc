// A picture decoded in bands has the bits of the same picture decoded whole.
#include <random>

#include "backend/cpu/cpu_backend.h"
#include "backend/reference/reference_backend.h"
#include "decode.h"
#include "model/random_weights.h"

namespace steadyflux {
namespace {

std::vector<float> decode(Backend& backend, const Decoding& decoding, const DecodeMode& mode, DType image_dtype) {
  RandomWeights weights(decoder_groups(decoding.config), 7);
  OwnedTensor packed = random_tensor(decoding.packed_shape(), 1);
  OwnedTensor image(decoding.image_shape());
  std::vector<std::uint8_t> rgb(image.values.size());
  const Tensor out = image_dtype == DType::kF32
                         ? image.view()
                         : Tensor(reinterpret_cast<std::byte*>(rgb.data()), DType::kU8, decoding.image_shape());

  const std::size_t planned = measure(backend, decoding, mode, DType::kF32, image_dtype).arena_bytes;
  const auto region = backend.reserve(planned);
  Arena arena(region->data(), region->size_bytes());
  decode_latents(Executor(backend, arena), weights, decoding.config, decoding.activations, packed.view(), out, mode);
  EXPECT_EQ(arena.peak_bytes(), planned);
  if (image_dtype == DType::kF32) return image.values;
  return {rgb.begin(), rgb.end()};
}

// Random decoders and sizes; numbers of the standard library's generator, whose values every platform agrees on.
class Cases {
 public:
  Decoding next(std::int64_t channels_unit, std::int64_t most_tiles) {
    Decoding decoding;
    AutoencoderConfig& config = decoding.config;
    config.norm_groups = pick(1, 2) * 2;
    config.block_channels.clear();
    const std::int64_t num_levels = pick(1, 3);
    for (std::int64_t i = 0; i < num_levels; ++i) {
      config.block_channels.push_back(config.norm_groups * pick(1, 3) * channels_unit);
    }
    config.latent_channels = pick(1, 4);
    config.layers_per_block = pick(0, 2);
    config.mid_attention = pick(0, 1) == 1;
    config.post_quant_conv = pick(0, 1) == 1;
    decoding.activations = pick(0, 1) == 1 ? DType::kBF16 : DType::kF32;
    decoding.height = 2 * config.scale() * pick(1, most_tiles);
    decoding.width = 2 * config.scale() * pick(1, most_tiles);
    return decoding;
  }

  std::int64_t pick(std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(most - least + 1));
  }

 private:
  std::mt19937_64 random_{20};
};

std::string describe(const Decoding& decoding, const DecodeMode& mode) {
  std::string text = std::to_string(decoding.width) + "x" + std::to_string(decoding.height) + " " +
                     std::string(dtype_name(decoding.activations)) + " channels";
  for (const std::int64_t channels : decoding.config.block_channels) text += " " + std::to_string(channels);
  return text + ", layers of " + std::to_string(mode.layers_bytes) + " bytes, bands of " +
         std::to_string(mode.band_rows);
}

// Every mode of every case, at its own height of band and at another one.
void expect_bands_do_not_show(Backend& backend, int num_cases, std::int64_t channels_unit, std::int64_t most_tiles) {
  Cases cases;
  for (int i = 0; i < num_cases; ++i) {
    const Decoding decoding = cases.next(channels_unit, most_tiles);
    const DType image = cases.pick(0, 3) == 0 ? DType::kU8 : DType::kF32;
    const std::vector<float> whole = decode(backend, decoding, {}, image);
    for (DecodeMode mode : decoding.modes()) {
      if (cases.pick(0, 1) == 1) mode.band_rows = cases.pick(1, 9);
      EXPECT_EQ(decode(backend, decoding, mode, image), whole) << describe(decoding, mode);
    }
  }
}

TEST(BandedDecode, HasTheBitsOfTheWholeOnTheReference) {
  const auto backend = make_reference_backend();
  expect_bands_do_not_show(*backend, 30, 1, 5);
}

TEST(BandedDecode, HasTheBitsOfTheWholeOnTheCpu) {
  for (const int threads : {1, 3}) {
    const auto backend = make_cpu_backend({.num_threads = threads});
    expect_bands_do_not_show(*backend, 40, 8, 9);
  }
}

TEST(BandedDecode, HasTheBitsOfTheWholeWithF32Products) {
  const auto backend = make_cpu_backend({.num_threads = 2, .bf16 = CpuBf16::kOff});
  expect_bands_do_not_show(*backend, 20, 8, 9);
}

// 8-bit pixels are those of the f32 image.
TEST(BandedDecode, MakesTheSameEightBitPixels) {
  const auto backend = make_cpu_backend({.num_threads = 2});
  Decoding decoding{.config = {}, .activations = DType::kBF16, .height = 80, .width = 48};
  decoding.config.block_channels = {8, 16};
  decoding.config.norm_groups = 4;
  const std::vector<float> image = decode(*backend, decoding, {}, DType::kF32);
  std::vector<std::uint8_t> rgb(image.size());
  std::vector<float> copy = image;
  const ops::ToRgb8 to_rgb{{reinterpret_cast<std::byte*>(copy.data()), DType::kF32, decoding.image_shape()},
                           {reinterpret_cast<std::byte*>(rgb.data()), DType::kU8, decoding.image_shape()}};
  const auto scratch = backend->reserve(backend->scratch_bytes(to_rgb));
  backend->run(to_rgb, {scratch->data(), scratch->size_bytes()});
  EXPECT_EQ(decode(*backend, decoding, {}, DType::kU8), std::vector<float>(rgb.begin(), rgb.end()));
}

}  // namespace
}  // namespace steadyflux
