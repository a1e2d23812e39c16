#include "pipeline/bench/decode_bench.h"

#include <chrono>
#include <cmath>

#include "backend/executor.h"
#include "backend/measure/measure_backend.h"
#include "base/error.h"
#include "pipeline/bench/synthetic_values.h"
#include "platform/process_memory.h"

namespace steadyflux::bench {
namespace {

// Every group in one region, filled with values that keep activations near one.
class MadeUpWeights final : public WeightSource {
 public:
  MadeUpWeights(Backend& backend, std::span<const GroupSpec> groups, DType dtype) {
    Arena measuring = Arena::measuring();
    place(groups, dtype, measuring);
    region_ = backend.reserve(measuring.peak_bytes());
    Arena arena(region_->data(), region_->size_bytes());
    place(groups, dtype, arena);
    for (std::size_t g = 0; g < groups.size(); ++g) {
      for (std::size_t i = 0; i < groups_[g].size(); ++i) fill(groups[g].weights[i].name, groups_[g][i]);
    }
  }

  std::size_t num_groups() const override { return groups_.size(); }
  Lease acquire(std::size_t group) override { return {*this, group, groups_.at(group)}; }
  std::uint64_t num_bytes() const { return region_->size_bytes(); }

 private:
  void release(std::size_t) noexcept override {}

  void place(std::span<const GroupSpec> groups, DType dtype, Arena& arena) {
    groups_.clear();
    for (const GroupSpec& group : groups) {
      auto& tensors = groups_.emplace_back();
      for (const WeightSpec& weight : group.weights) tensors.push_back(arena.allocate(dtype, weight.shape));
    }
  }

  static void fill(const std::string& name, const Tensor& tensor) {
    ValueSequence values{.key = sequence_key(0, name), .mean = 0, .deviation = 0.02f};
    if (tensor.rank() > 1) {
      const std::int64_t fan_in = tensor.shape.num_elements() / tensor.dim(0);
      values.deviation = static_cast<float>(1 / std::sqrt(static_cast<double>(fan_in)));
    } else if (name.find("norm") != std::string::npos && name.ends_with(".weight")) {
      values.mean = 1;
    }
    fill_values(values, 0, tensor.dtype, {tensor.data, tensor.num_bytes()});
  }

  std::unique_ptr<Region> region_;
  std::vector<std::vector<Tensor>> groups_;
};

class DecodeBench {
 public:
  DecodeBench(Backend& backend, const DecodeSetting& setting)
      : backend_(backend),
        setting_(setting),
        weights_(backend, decoder_groups(setting.config), setting.weights),
        latents_(static_cast<std::size_t>(packed_shape().num_elements())) {
    fill_values({.key = sequence_key(0, "latents"), .mean = 0, .deviation = 1}, 0, latents_);
  }

  DecodeTiming measure(const DecodeMode& mode) {
    MeasureBackend measuring(backend_);
    Arena arena = Arena::measuring();
    run(Executor(measuring, arena), mode);
    DecodeTiming timing;
    timing.mode = mode;
    timing.weights_bytes = weights_.num_bytes();
    timing.arena_bytes = arena.peak_bytes();
    timing.flops = measuring.trace().total.flops;
    return timing;
  }

  std::vector<ConvTotal> convs() {
    MeasureBackend measuring(backend_);
    Arena arena = Arena::measuring();
    run(Executor(measuring, arena), {});
    return measuring.trace().convs;
  }

  void time(DecodeTiming& timing) {
    const auto begin = std::chrono::steady_clock::now();
    const auto region = backend_.reserve(timing.arena_bytes);
    Arena arena(region->data(), region->size_bytes());
    const Tensor picture = run(Executor(backend_, arena), timing.mode);
    std::vector<std::uint8_t> pixels(picture.num_bytes());
    backend_.download(picture, std::as_writable_bytes(std::span(pixels)));
    timing.seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    timing.peak_process_bytes = std::max(timing.peak_process_bytes, process_memory().charged_bytes());
    if (first_picture_.empty()) first_picture_ = pixels;
    timing.same_picture = timing.same_picture && pixels == first_picture_;
  }

 private:
  Shape packed_shape() const {
    const std::int64_t side = 2 * setting_.config.scale();
    return {setting_.height / side * (setting_.width / side), 4 * setting_.config.latent_channels};
  }

  // The picture, in memory of the arena that is free again.
  Tensor run(const Executor& executor, const DecodeMode& mode) {
    const ArenaScope scope(executor.arena());
    const Tensor packed = executor.allocate(DType::kF32, packed_shape());
    const Tensor picture =
        executor.allocate(DType::kU8, {setting_.height, setting_.width, setting_.config.image_channels});
    executor.backend().upload(std::as_bytes(std::span<const float>(latents_)), packed);
    decode_latents(executor, weights_, setting_.config, setting_.activations, packed, picture, mode);
    return picture;
  }

  Backend& backend_;
  DecodeSetting setting_;
  MadeUpWeights weights_;
  std::vector<float> latents_;
  std::vector<std::uint8_t> first_picture_;
};

}  // namespace

void check(const DecodeSetting& setting) {
  const std::int64_t side = 2 * setting.config.scale();
  if (setting.width > 0 && setting.height > 0 && setting.width % side == 0 && setting.height % side == 0) return;
  fail(ErrorCode::kInvalidArgument, "the sides of a picture are multiples of ", side, ", not ", setting.width, "x",
       setting.height);
}

std::vector<ConvTotal> convs_of_decode(Backend& backend, const DecodeSetting& setting) {
  return DecodeBench(backend, setting).convs();
}

std::vector<DecodeTiming> time_decode(Backend& backend, const DecodeSetting& setting,
                                      const std::vector<DecodeMode>& modes, int rounds, Observer& observer,
                                      const std::function<void()>& beside) {
  DecodeBench bench(backend, setting);
  std::vector<DecodeTiming> timings;
  for (const DecodeMode& mode : modes) timings.push_back(bench.measure(mode));
  for (int round = 0; round < rounds; ++round) {
    for (DecodeTiming& timing : timings) {
      if (observer.cancelled()) return timings;
      bench.time(timing);
      timing.relative_seconds.push_back(timing.seconds.back() / timings[0].seconds.back());
    }
    if (beside) beside();
  }
  return timings;
}

}  // namespace steadyflux::bench
