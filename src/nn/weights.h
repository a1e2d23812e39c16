// One list of tensors for each network: visited to state a weight group and visited to bind a lease to a struct.
//
// A struct of weights has a function template, found by its arguments,
//
//   template <typename Visitor> void visit(Weights& weights, const Sizes&..., Visitor&& visitor);
//
// that calls visitor(slot, module, leaf, shape) for every tensor in a fixed order, or visitor.matrix with the same for
// the weights of linear layers and tables of rows, which may be quantised; the tensor's name is
// "<prefix><module>.<leaf>". A nested struct is visited with visitor.within(list, index).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "memory/lease.h"
#include "ops/ops.h"

namespace steadyflux {

// The affine part of a normalisation. RMS norms have no bias.
struct NormWeights {
  Tensor weight;  // [width]
  Tensor bias;    // [width]
};

struct ConvWeights {
  Tensor weight;  // [out_channels, in_channels, kernel, kernel]
  Tensor bias;    // [out_channels]
};

template <typename Visitor>
void visit_linear(ops::Linear& linear, std::string_view module, std::int64_t out_features, std::int64_t in_features,
                  Visitor&& visitor) {
  visitor.matrix(linear.weight, module, "weight", Shape{out_features, in_features});
  visitor(linear.bias, module, "bias", Shape{out_features});
}

template <typename Visitor>
void visit_linear_without_bias(ops::Linear& linear, std::string_view module, std::int64_t out_features,
                               std::int64_t in_features, Visitor&& visitor) {
  visitor.matrix(linear.weight, module, "weight", Shape{out_features, in_features});
}

template <typename Visitor>
void visit_norm(NormWeights& norm, std::string_view module, std::int64_t width, Visitor&& visitor) {
  visitor(norm.weight, module, "weight", Shape{width});
  visitor(norm.bias, module, "bias", Shape{width});
}

template <typename Visitor>
void visit_conv(ConvWeights& conv, std::string_view module, std::int64_t out_channels, std::int64_t in_channels,
                std::int64_t kernel, Visitor&& visitor) {
  visitor(conv.weight, module, "weight", Shape{out_channels, in_channels, kernel, kernel});
  visitor(conv.bias, module, "bias", Shape{out_channels});
}

// Writes names and shapes down.
class WeightLister {
 public:
  WeightLister(GroupSpec& group, std::string prefix) : group_(&group), prefix_(std::move(prefix)) {}

  void operator()(Tensor& /*slot*/, std::string_view module, std::string_view leaf, const Shape& shape) const {
    add(module, leaf, shape, false);
  }
  void matrix(Tensor& /*slot*/, std::string_view module, std::string_view leaf, const Shape& shape) const {
    add(module, leaf, shape, true);
  }

  WeightLister within(std::string_view list, std::size_t index) const {
    std::string prefix = prefix_;
    return {*group_, prefix.append(list).append(".").append(std::to_string(index)).append(".")};
  }

 private:
  void add(std::string_view module, std::string_view leaf, const Shape& shape, bool matrix) const {
    std::string name = prefix_;
    group_->weights.push_back({name.append(module).append(".").append(leaf), shape, matrix});
  }

  GroupSpec* group_;
  std::string prefix_;
};

// Puts a lease's tensors into their slots, in order. Allocates nothing.
class WeightBinder {
 public:
  explicit WeightBinder(std::span<const Tensor> tensors) : tensors_(tensors) {}

  void operator()(Tensor& slot, std::string_view module, std::string_view leaf, const Shape& shape) {
    ensure(next_ < tensors_.size(), "a lease of ", tensors_.size(), " tensors ends before ", module, ".", leaf);
    slot = tensors_[next_++];
    ensure(slot.shape == shape, module, ".", leaf, " is ", slot.shape.to_string(), ", not ", shape.to_string());
  }

  void matrix(Tensor& slot, std::string_view module, std::string_view leaf, const Shape& shape) {
    (*this)(slot, module, leaf, shape);
  }

  WeightBinder& within(std::string_view /*list*/, std::size_t /*index*/) { return *this; }

  // Throws Error(kInternal) when tensors are left over.
  void finish() const { ensure(next_ == tensors_.size(), "a lease has tensors that its group does not list"); }

 private:
  std::span<const Tensor> tensors_;
  std::size_t next_ = 0;
};

// The group `name` of the weights that visit(Weights&, sizes..., visitor) lists.
template <typename Weights, typename... Sizes>
GroupSpec list_weights(std::string name, std::string prefix, const Sizes&... sizes) {
  GroupSpec group{std::move(name), {}};
  Weights weights;
  visit(weights, sizes..., WeightLister(group, std::move(prefix)));
  return group;
}

// The lease's tensors as the struct that its group was listed from.
template <typename Weights, typename... Sizes>
Weights bind_weights(const Lease& lease, const Sizes&... sizes) {
  Weights weights;
  WeightBinder binder(lease.tensors());
  visit(weights, sizes..., binder);
  binder.finish();
  return weights;
}

}  // namespace steadyflux
