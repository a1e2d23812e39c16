// How model code sees weights: ordered groups, leased one at a time.
//
// A model states its groups (names and shapes); a plan decides where each group lives; forward code acquires group i,
// uses its tensors and lets the lease end. It never learns whether the group was resident, staged or streamed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace steadyflux {

// One weight a model needs: its canonical name and the shape it must have.
struct WeightSpec {
  std::string name;
  Shape shape;
  bool matrix = false;  // of a linear layer, or a table of rows: it may be of a quantised type
};

// Weights that are used together: one transformer block, one encoder layer, one decoder stage.
struct GroupSpec {
  std::string name;
  std::vector<WeightSpec> weights;
};

class WeightSource;

// The right to read one group's tensors, in the order of its GroupSpec, until it ends. Move-only.
class Lease {
 public:
  Lease(WeightSource& source, std::size_t group, std::span<const Tensor> tensors)
      : source_(&source), group_(group), tensors_(tensors) {}
  ~Lease();
  Lease(Lease&& other) noexcept
      : source_(std::exchange(other.source_, nullptr)), group_(other.group_), tensors_(other.tensors_) {}
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  Lease& operator=(Lease&&) = delete;

  std::span<const Tensor> tensors() const { return tensors_; }

 private:
  WeightSource* source_;
  std::size_t group_;
  std::span<const Tensor> tensors_;
};

// The groups of one model, in the order forward code asks for them.
// Thread rule: leases are taken and ended by one thread.
class WeightSource {
 public:
  virtual ~WeightSource() = default;

  virtual std::size_t num_groups() const = 0;
  // Waits until group `group` is in the device's memory. Throws Error naming file and tensor when it cannot be read.
  virtual Lease acquire(std::size_t group) = 0;
  // Bytes read from files so far, for all groups together.
  virtual std::uint64_t bytes_read() const { return 0; }

 private:
  friend class Lease;
  virtual void release(std::size_t group) noexcept = 0;
};

inline Lease::~Lease() {
  if (source_ != nullptr) source_->release(group_);
}

}  // namespace steadyflux
