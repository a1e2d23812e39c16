#include "memory/residency.h"

#include <algorithm>

namespace steadyflux {
namespace {

constexpr std::size_t kNumSlots = 2;

std::size_t largest_group(std::span<const GroupLayout> groups) {
  std::size_t largest = 0;
  for (const GroupLayout& group : groups) largest = std::max(largest, group.num_bytes);
  return largest;
}

std::size_t slots_bytes(std::span<const GroupLayout> groups) { return kNumSlots * largest_group(groups); }

}  // namespace

std::size_t Residency::read_bytes(std::span<const GroupLayout> groups, std::size_t passes) const {
  std::size_t bytes = resident_bytes;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (!resident[i]) bytes += passes * groups[i].num_bytes;
  }
  return bytes;
}

Residency resident_everywhere(std::span<const GroupLayout> groups) {
  Residency residency;
  residency.resident.assign(groups.size(), true);
  residency.resident_bytes = total_bytes(groups);
  return residency;
}

std::size_t smallest_weights_bytes(std::span<const GroupLayout> groups) {
  return std::min(total_bytes(groups), slots_bytes(groups));
}

std::optional<Residency> choose_residency(std::span<const GroupLayout> groups, std::size_t available_bytes) {
  const std::size_t total = total_bytes(groups);
  if (total <= available_bytes) return resident_everywhere(groups);
  if (slots_bytes(groups) > available_bytes) return std::nullopt;

  Residency residency;
  residency.slot_bytes = largest_group(groups);
  residency.num_slots = kNumSlots;
  // A share of every stretch of groups stays: each group adds that share of its bytes to a credit, and stays when the
  // credit covers it.
  const std::size_t room = available_bytes - slots_bytes(groups);
  const double share = static_cast<double>(room) / static_cast<double>(total);
  double credit = 0;
  for (const GroupLayout& group : groups) {
    const auto bytes = static_cast<double>(group.num_bytes);
    credit += share * bytes;
    const bool stays = credit >= bytes && residency.resident_bytes + group.num_bytes <= room;
    residency.resident.push_back(stays);
    if (!stays) continue;
    credit -= bytes;
    residency.resident_bytes += group.num_bytes;
  }
  return residency;
}

}  // namespace steadyflux
