// Weights that stay in the device's memory as long as the store lives, and the stand-in used for measuring.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "memory/group_layout.h"
#include "memory/group_reader.h"
#include "memory/lease.h"

namespace steadyflux {

// Reads every group once, straight into place, when it is made. Owns one region.
class ResidentStore final : public WeightSource {
 public:
  // Borrows `index` for the length of the call. Throws what GroupReader throws.
  ResidentStore(Backend& backend, const WeightIndex& index, std::span<const GroupLayout> layouts,
                const OpenForReading& open = open_cached);

  std::size_t num_groups() const override { return groups_.size(); }
  Lease acquire(std::size_t group) override { return {*this, group, groups_.at(group)}; }
  std::uint64_t bytes_read() const override { return bytes_read_; }

 private:
  void release(std::size_t) noexcept override {}

  std::unique_ptr<Region> region_;
  std::uint64_t bytes_read_ = 0;
  std::vector<std::vector<Tensor>> groups_;
};

// The same tensors at made-up addresses: no file is read. For code that runs on the measure backend.
class MeasuredWeights final : public WeightSource {
 public:
  explicit MeasuredWeights(std::span<const GroupLayout> layouts);

  std::size_t num_groups() const override { return groups_.size(); }
  Lease acquire(std::size_t group) override { return {*this, group, groups_.at(group)}; }

 private:
  void release(std::size_t) noexcept override {}

  std::vector<std::vector<Tensor>> groups_;
};

}  // namespace steadyflux
