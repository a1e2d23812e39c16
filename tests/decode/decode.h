// Decodes for tests: with made-up weights, in an arena of exactly the planned size.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "backend/measure/measure_backend.h"
#include "model/autoencoder/autoencoder.h"

namespace steadyflux {

// Weights that only have addresses.
class AddressedWeights final : public WeightSource {
 public:
  AddressedWeights(std::span<const GroupSpec> specs, DType dtype) {
    for (const GroupSpec& spec : specs) {
      auto& tensors = groups_.emplace_back();
      for (const WeightSpec& weight : spec.weights) tensors.push_back(addresses_.allocate(dtype, weight.shape));
    }
  }

  std::size_t num_groups() const override { return groups_.size(); }
  Lease acquire(std::size_t group) override { return {*this, group, groups_.at(group)}; }
  std::size_t num_bytes() const { return addresses_.used_bytes(); }

 private:
  void release(std::size_t) noexcept override {}

  Arena addresses_ = Arena::measuring();
  std::vector<std::vector<Tensor>> groups_;
};

struct Decoding {
  AutoencoderConfig config;
  DType activations = DType::kF32;
  std::int64_t height = 0;
  std::int64_t width = 0;

  Shape packed_shape() const {
    return {height / config.scale() * (width / config.scale()) / 4, 4 * config.latent_channels};
  }
  Shape image_shape() const { return {height, width, config.image_channels}; }
  std::vector<DecodeMode> modes() const { return decode_modes(config, activations, height, width); }
};

// What decode_latents() needs and does on a backend, in f32 images unless `image` says otherwise.
struct Measured {
  std::size_t arena_bytes = 0;
  Trace trace;
};
inline Measured measure(Backend& target, const Decoding& decoding, const DecodeMode& mode,
                        DType weights_dtype = DType::kF32, DType image = DType::kF32) {
  Arena addresses = Arena::measuring();
  AddressedWeights weights(decoder_groups(decoding.config), weights_dtype);
  MeasureBackend backend(target);
  Arena arena = Arena::measuring();
  decode_latents(Executor(backend, arena), weights, decoding.config, decoding.activations,
                 addresses.allocate(DType::kF32, decoding.packed_shape()),
                 addresses.allocate(image, decoding.image_shape()), mode);
  EXPECT_EQ(arena.used_bytes(), 0u);
  return {arena.peak_bytes(), backend.take_trace()};
}

}  // namespace steadyflux
