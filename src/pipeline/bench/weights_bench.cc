#include "pipeline/bench/weights_bench.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "pipeline/bench/synthetic_values.h"

namespace steadyflux::bench {
namespace {

// A short layer is repeated until a clock can tell.
constexpr double kLeastSeconds = 0.02;

// Weights of a quantised type: small codes, and f16 scales below two wherever they lie. Subnormal f16 numbers are
// ordinary f32 ones; subnormal f32 numbers would cost time.
void fill_blocks(std::span<std::byte> bytes) {
  std::uint32_t state = 1;
  for (std::byte& byte : bytes) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<std::byte>((state >> 24) & 0x3Fu);
  }
}

void fill(const Tensor& weight) {
  const std::span<std::byte> bytes(weight.data, weight.num_bytes());
  if (is_quantised(weight.dtype) || has_scales_apart(weight.dtype)) {
    fill_blocks(bytes);
  } else {
    fill_values({.key = sequence_key(0, "weight")}, 0, weight.dtype, bytes);
  }
}

}  // namespace

std::vector<DType> weight_types() {
  std::vector<DType> types;
  for (std::size_t i = 0; i < kNumDTypes; ++i) {
    const auto type = static_cast<DType>(i);
    const bool plain = type == DType::kF32 || type == DType::kF16 || type == DType::kBF16;
    if (plain || is_quantised(type) || has_scales_apart(type)) types.push_back(type);
  }
  return types;
}

struct WeightsBench::Layer {
  std::unique_ptr<Region> x;
  std::unique_ptr<Region> out;
  std::unique_ptr<Region> scratch;
  std::unique_ptr<Region> scales;
  std::vector<std::unique_ptr<Region>> weights;
  std::vector<ops::LinearPart> parts;  // one for each type

  ops::LinearMany op(std::size_t index) const { return {x_tensor, std::span(parts).subspan(index, 1)}; }

  Tensor x_tensor;
};

WeightsBench::WeightsBench(Backend& backend, const GemmShape& shape, DType activations, std::vector<DType> weights)
    : backend_(backend),
      shape_(shape),
      types_(std::move(weights)),
      layer_(std::make_unique<Layer>()),
      seconds_(types_.size()) {
  for (const DType type : types_) {
    const std::int64_t block = block_shape(type).elements;
    if (shape.k % block != 0) {
      fail(ErrorCode::kInvalidArgument, "a depth of ", shape.k, " is not whole blocks of ", dtype_name(type), ", ",
           block, " elements each");
    }
  }
  layer_->x = backend.reserve(tensor_bytes(activations, {shape.m, shape.k}));
  layer_->out = backend.reserve(tensor_bytes(activations, {shape.m, shape.n}));
  layer_->x_tensor = Tensor(layer_->x->data(), activations, {shape.m, shape.k});
  fill_values({.key = sequence_key(0, "x")}, 0, activations, {layer_->x->data(), layer_->x_tensor.num_bytes()});
  const Tensor out(layer_->out->data(), activations, {shape.m, shape.n});
  // As many as any type needs.
  layer_->scales = backend.reserve(tensor_bytes(DType::kF32, {shape.n, std::max<std::int64_t>(shape.k / 64, 1)}));
  fill_values({.key = sequence_key(0, "scales"), .mean = 1, .deviation = 0.1f}, 0, DType::kF32,
              {layer_->scales->data(), layer_->scales->size_bytes()});
  std::size_t scratch_bytes = 0;
  for (const DType type : types_) {
    const Shape matrix = {shape.n, shape.k};
    layer_->weights.push_back(backend.reserve(tensor_bytes(type, matrix)));
    Tensor weight(layer_->weights.back()->data(), type, matrix);
    fill(weight);
    if (has_scales_apart(type)) weight.scales.values = layer_->scales->data();
    layer_->parts.push_back({.linear = {.weight = weight}, .out = out});
    scratch_bytes = std::max(scratch_bytes, backend.scratch_bytes(layer_->op(layer_->parts.size() - 1)));
  }
  layer_->scratch = backend.reserve(scratch_bytes);
  for (std::size_t i = 0; i < types_.size(); ++i) time(i);
}

WeightsBench::~WeightsBench() = default;

void WeightsBench::run_round() {
  for (std::size_t i = 0; i < types_.size(); ++i) seconds_[i].push_back(time(i));
}

double WeightsBench::time(std::size_t index) {
  using Clock = std::chrono::steady_clock;
  const ops::LinearMany op = layer_->op(index);
  const auto begin = Clock::now();
  int repeats = 0;
  double seconds = 0;
  do {
    backend_.run(op, {layer_->scratch->data(), layer_->scratch->size_bytes()});
    backend_.wait(backend_.record(Stream::kCompute));
    ++repeats;
    seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  } while (seconds < kLeastSeconds);
  return seconds / repeats;
}

double WeightsBench::ratio(std::size_t index) const {
  std::vector<double> ratios;
  for (std::size_t round = 0; round < seconds_[index].size(); ++round) {
    ratios.push_back(seconds_[index][round] / seconds_[0][round]);
  }
  return median(std::move(ratios));
}

}  // namespace steadyflux::bench
