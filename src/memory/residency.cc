#include "memory/residency.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "memory/group_reader.h"

namespace steadyflux {
namespace {

constexpr std::size_t kNumSlots = 2;
// One is read into while the other is copied.
constexpr std::size_t kNumStagingBuffers = 2;
// What the reader reads at once.
constexpr std::size_t kMaxStagingBufferBytes = GroupReader::kBytesPerRead;

// Of a group, in the memory that is meant.
using Size = std::size_t GroupLayout::*;

std::size_t largest(std::span<const GroupLayout> groups, Size size) {
  std::size_t bytes = 0;
  for (const GroupLayout& group : groups) bytes = std::max(bytes, group.*size);
  return bytes;
}

std::size_t sum(std::span<const GroupLayout> groups, Size size) {
  std::size_t bytes = 0;
  for (const GroupLayout& group : groups) bytes += group.*size;
  return bytes;
}

// The groups in an order of which every beginning is spread evenly over them: by index, its bits reversed.
std::vector<std::size_t> spread_order(std::size_t num_groups) {
  std::vector<std::size_t> order;
  const std::size_t count = std::bit_ceil(num_groups);
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t reversed = 0;
    for (std::size_t bit = 1; bit < count; bit *= 2) reversed = 2 * reversed + ((i & bit) != 0 ? 1 : 0);
    if (reversed < num_groups) order.push_back(reversed);
  }
  return order;
}

// Moves streamed groups to `tier`, each that fits in what the ones before it left of `room_bytes`; gives their bytes.
// Whatever the sizes, more room never takes fewer bytes: where two rooms first part, the smaller one has less left than
// the group that only the larger one takes.
std::size_t fill_tier(std::span<const GroupLayout> groups, Size size, Tier tier, std::size_t room_bytes,
                      std::vector<Tier>& tiers) {
  std::size_t used_bytes = 0;
  for (const std::size_t group : spread_order(groups.size())) {
    if (tiers[group] != Tier::kStreamed || groups[group].*size > room_bytes - used_bytes) continue;
    tiers[group] = tier;
    used_bytes += groups[group].*size;
  }
  return used_bytes;
}

Residency all_resident(std::span<const GroupLayout> groups, Size size) {
  Residency residency;
  residency.tiers.assign(groups.size(), Tier::kResident);
  residency.resident_bytes = sum(groups, size);
  return residency;
}

// Two slots and resident groups within `room_bytes`.
std::optional<Residency> fill_device(std::span<const GroupLayout> groups, Size size, std::size_t room_bytes) {
  if (sum(groups, size) <= room_bytes) return all_resident(groups, size);
  Residency residency;
  residency.tiers.assign(groups.size(), Tier::kStreamed);
  residency.slot_bytes = largest(groups, size);
  residency.num_slots = kNumSlots;
  if (residency.device_bytes() > room_bytes) return std::nullopt;
  residency.resident_bytes =
      fill_tier(groups, size, Tier::kResident, room_bytes - residency.device_bytes(), residency.tiers);
  return residency;
}

void add_staging_buffers(std::span<const GroupLayout> groups, Residency& residency) {
  residency.staging_buffer_bytes = std::min(kMaxStagingBufferBytes, largest(groups, &GroupLayout::num_bytes));
  residency.num_staging_buffers = kNumStagingBuffers;
}

std::size_t smallest_bytes(std::span<const GroupLayout> groups, Size size) {
  return std::min(sum(groups, size), kNumSlots * largest(groups, size));
}

}  // namespace

std::string_view tier_name(Tier tier) {
  switch (tier) {
    case Tier::kResident:
      return "resident";
    case Tier::kStaged:
      return "staged";
    case Tier::kStreamed:
      return "streamed";
  }
  fail(ErrorCode::kInternal, "there is no such tier");
}

std::size_t Residency::once_read_bytes(std::span<const GroupLayout> groups) const {
  return sum(groups, &GroupLayout::num_bytes) - pass_read_bytes(groups);
}

std::size_t Residency::pass_read_bytes(std::span<const GroupLayout> groups) const {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < groups.size(); ++i) bytes += tiers[i] == Tier::kStreamed ? groups[i].num_bytes : 0;
  return bytes;
}

std::size_t Residency::pass_copy_bytes(std::span<const GroupLayout> groups) const {
  return sum(groups, &GroupLayout::device_bytes) - resident_bytes;
}

Residency resident_everywhere(std::span<const GroupLayout> groups) {
  return all_resident(groups, &GroupLayout::num_bytes);
}

Residency resident_on_device(std::span<const GroupLayout> groups) {
  Residency residency = all_resident(groups, &GroupLayout::device_bytes);
  add_staging_buffers(groups, residency);
  return residency;
}

std::size_t smallest_weights_bytes(std::span<const GroupLayout> groups) {
  return smallest_bytes(groups, &GroupLayout::num_bytes);
}

WeightRoom smallest_weight_room(std::span<const GroupLayout> groups) {
  return {smallest_bytes(groups, &GroupLayout::device_bytes), resident_on_device(groups).host_bytes()};
}

std::optional<Residency> choose_residency(std::span<const GroupLayout> groups, std::size_t available_bytes) {
  return fill_device(groups, &GroupLayout::num_bytes, available_bytes);
}

std::optional<Residency> choose_residency(std::span<const GroupLayout> groups, const WeightRoom& room) {
  auto residency = fill_device(groups, &GroupLayout::device_bytes, room.device_bytes);
  if (!residency) return std::nullopt;
  add_staging_buffers(groups, *residency);
  if (residency->host_bytes() > room.host_bytes) return std::nullopt;
  residency->staged_bytes = fill_tier(groups, &GroupLayout::num_bytes, Tier::kStaged,
                                      room.host_bytes - residency->host_bytes(), residency->tiers);
  return residency;
}

}  // namespace steadyflux
