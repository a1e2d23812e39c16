// Random weights and tensors for the tests of the models.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "backend/executor.h"
#include "memory/lease.h"

namespace steadyflux {

// A tensor in host memory that owns its f32 elements.
struct OwnedTensor {
  std::vector<float> values;
  Shape shape;

  explicit OwnedTensor(const Shape& dims) : values(static_cast<std::size_t>(dims.num_elements())), shape(dims) {}
  Tensor view() { return {reinterpret_cast<std::byte*>(values.data()), DType::kF32, shape}; }
};

// Normally distributed elements.
inline OwnedTensor random_tensor(const Shape& shape, std::uint32_t seed, float scale = 1) {
  OwnedTensor tensor(shape);
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  for (float& value : tensor.values) value = scale * normal(generator);
  return tensor;
}

// Every group's tensors in host memory, f32, of a size that keeps activations near one. Notes which groups were asked
// for, in order.
class RandomWeights final : public WeightSource {
 public:
  RandomWeights(std::span<const GroupSpec> groups, std::uint32_t seed) {
    for (const GroupSpec& group : groups) {
      std::vector<Tensor>& tensors = groups_.emplace_back();
      for (const WeightSpec& weight : group.weights) {
        const std::int64_t fan_in = weight.shape.rank() == 1 ? 4 : weight.shape.num_elements() / weight.shape[0];
        storage_.push_back(random_tensor(weight.shape, seed++, 1 / std::sqrt(static_cast<float>(fan_in))));
        tensors.push_back(storage_.back().view());
      }
    }
  }

  std::size_t num_groups() const override { return groups_.size(); }
  Lease acquire(std::size_t group) override {
    acquired_.push_back(group);
    return {*this, group, groups_.at(group)};
  }
  const std::vector<std::size_t>& acquired() const { return acquired_; }

 private:
  void release(std::size_t) noexcept override {}

  std::vector<OwnedTensor> storage_;
  std::vector<std::vector<Tensor>> groups_;
  std::vector<std::size_t> acquired_;
};

// The names of a group list, in order.
inline std::vector<std::string> weight_names(std::span<const GroupSpec> groups) {
  std::vector<std::string> names;
  for (const GroupSpec& group : groups) {
    for (const WeightSpec& weight : group.weights) names.push_back(weight.name);
  }
  return names;
}

inline std::int64_t num_parameters(std::span<const GroupSpec> groups) {
  std::int64_t count = 0;
  for (const GroupSpec& group : groups) {
    for (const WeightSpec& weight : group.weights) count += weight.shape.num_elements();
  }
  return count;
}

}  // namespace steadyflux
