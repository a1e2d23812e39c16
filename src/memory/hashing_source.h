// Fingerprints of weights, taken while they pass by.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "io/digest.h"
#include "memory/group_layout.h"
#include "memory/lease.h"

namespace steadyflux {

// Passes leases on and reads the bytes of each group when it is leased for the first time, so that knowing a file's
// content takes no reading of its own. Borrows everything. Thread rule: as WeightSource.
class HashingSource final : public WeightSource {
 public:
  // `groups` are those of `source`, whose tensors are in the memory of `backend`.
  HashingSource(WeightSource& source, Backend& backend, std::span<const GroupLayout> groups);

  std::size_t num_groups() const override { return source_.num_groups(); }
  Lease acquire(std::size_t group) override;
  std::uint64_t bytes_read() const override { return source_.bytes_read(); }

  // Of the names, dtypes, shapes, bytes and scales of all weights, in whatever order and groups they come. Nothing
  // until every group has been leased.
  std::optional<Digest> digest() const;

 private:
  void release(std::size_t) noexcept override {}
  Digest digest_of(const Tensor& tensor, const PlacedWeight& weight);
  void add_bytes(std::byte* address, std::size_t num_bytes, Hasher& hasher);

  WeightSource& source_;
  Backend& backend_;
  std::span<const GroupLayout> groups_;
  std::vector<bool> seen_;
  std::map<std::string, Digest> weights_;  // by name
};

}  // namespace steadyflux
