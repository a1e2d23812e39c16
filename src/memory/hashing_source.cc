#include "memory/hashing_source.h"

#include <algorithm>
#include <bit>

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
  for (std::size_t i = 0; i < weights.size(); ++i)
    weights_[weights[i].name] = digest_of(lease.tensors()[i], weights[i]);
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

Digest HashingSource::digest_of(const Tensor& tensor, const PlacedWeight& weight) {
  Hasher hasher;
  hasher.add(dtype_name(tensor.dtype));
  hasher.add(tensor.shape.to_string());
  add_bytes(tensor.data, tensor.num_bytes(), hasher);
  if (tensor.scales.values == nullptr) return hasher.digest();
  add_bytes(tensor.scales.values, weight.scales.num_bytes, hasher);
  if (tensor.scales.nested != nullptr) add_bytes(tensor.scales.nested, weight.nested.num_bytes, hasher);
  hasher.add(std::uint64_t{std::bit_cast<std::uint32_t>(tensor.scales.offset)});
  hasher.add(static_cast<std::uint64_t>(tensor.scales.first));
  return hasher.digest();
}

void HashingSource::add_bytes(std::byte* address, std::size_t num_bytes, Hasher& hasher) {
  if (!backend_.is_discrete()) {
    hasher.add_bytes({address, num_bytes});
    return;
  }
  std::vector<std::byte> memory(kPieceBytes);
  for (std::size_t done = 0; done < num_bytes; done += kPieceBytes) {
    const std::span piece = std::span(memory).first(std::min(kPieceBytes, num_bytes - done));
    backend_.download(Tensor(address + done, DType::kU8, {static_cast<std::int64_t>(piece.size())}), piece);
    hasher.add_bytes(piece);
  }
}

}  // namespace steadyflux
