#include "memory/hashing_source.h"

#include <algorithm>

#include "base/error.h"

namespace steadyflux {
namespace {

// Small enough to be still in the processor's cache when it is hashed.
constexpr std::size_t kPieceBytes = 128 * 1024;

}  // namespace

HashingSource::HashingSource(WeightSource& source, Backend& backend, std::span<const GroupLayout> groups)
    : source_(source), backend_(backend), groups_(groups), seen_(groups.size()) {
  ensure(source.num_groups() == groups.size(), "these are not the groups of the source");
}

Lease HashingSource::acquire(std::size_t group) {
  Lease lease = source_.acquire(group);
  if (seen_.at(group)) return lease;
  const std::vector<PlacedWeight>& weights = groups_[group].weights;
  for (std::size_t i = 0; i < weights.size(); ++i) weights_[weights[i].name] = digest_of(lease.tensors()[i]);
  seen_[group] = true;
  return lease;
}

std::optional<Digest> HashingSource::digest() const {
  if (std::find(seen_.begin(), seen_.end(), false) != seen_.end()) return std::nullopt;
  Hasher all;
  for (const auto& [name, digest] : weights_) {
    all.add(name);
    all.add(digest);
  }
  return all.digest();
}

Digest HashingSource::digest_of(const Tensor& tensor) {
  Hasher hasher;
  hasher.add(dtype_name(tensor.dtype));
  hasher.add(tensor.shape.to_string());
  if (backend_.is_discrete()) {
    add_downloaded(tensor, hasher);
  } else {
    hasher.add_bytes({tensor.data, tensor.num_bytes()});
  }
  return hasher.digest();
}

void HashingSource::add_downloaded(const Tensor& tensor, Hasher& hasher) {
  std::vector<std::byte> memory(kPieceBytes);
  const std::size_t num_bytes = tensor.num_bytes();
  for (std::size_t done = 0; done < num_bytes; done += kPieceBytes) {
    const std::span piece = std::span(memory).first(std::min(kPieceBytes, num_bytes - done));
    backend_.download(Tensor(tensor.data + done, DType::kU8, {static_cast<std::int64_t>(piece.size())}), piece);
    hasher.add_bytes(piece);
  }
}

}  // namespace steadyflux
