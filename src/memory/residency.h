// Which groups of a stage stay in memory and which are read again on every pass.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "memory/group_layout.h"

namespace steadyflux {

// Where the groups of one stage live. Groups that are not resident take turns in slots.
struct Residency {
  std::vector<bool> resident;  // a flag for each group
  std::size_t resident_bytes = 0;
  std::size_t slot_bytes = 0;  // of one slot: the largest streamed group; 0 when all are resident
  std::size_t num_slots = 0;

  bool all_resident() const { return num_slots == 0; }
  // Memory that the stage's weights take.
  std::size_t weights_bytes() const { return resident_bytes + num_slots * slot_bytes; }
  // Bytes read from disk in `passes` passes over the groups.
  std::size_t read_bytes(std::span<const GroupLayout> groups, std::size_t passes) const;
};

// Everything in memory.
Residency resident_everywhere(std::span<const GroupLayout> groups);

// The residency that reads least within `available_bytes`: all groups if they fit; otherwise two slots, so that one is
// read while the other is used, and as many resident groups as fit beside them, spread evenly so that reading never
// pauses for long. Nothing when not even two slots fit. A function of its arguments alone.
std::optional<Residency> choose_residency(std::span<const GroupLayout> groups, std::size_t available_bytes);

// The least that choose_residency accepts.
std::size_t smallest_weights_bytes(std::span<const GroupLayout> groups);

}  // namespace steadyflux
