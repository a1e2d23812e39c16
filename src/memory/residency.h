// Where the weights of a stage are kept: in the device's memory, in the host's, or on disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "memory/group_layout.h"

namespace steadyflux {

// Where a group is between the passes.
enum class Tier : std::uint8_t {
  kResident,  // in the device's memory
  kStaged,    // in host memory, copied to the device on every pass; only for discrete devices
  kStreamed,  // on disk, read on every pass
};

// "resident", "staged" or "streamed".
std::string_view tier_name(Tier tier);

// Where the groups of one stage live. Groups that are not resident take turns in slots of the device's memory. What a
// discrete device gets from disk passes through staging buffers in host memory.
struct Residency {
  std::vector<Tier> tiers;  // of each group
  std::size_t resident_bytes = 0;
  std::size_t staged_bytes = 0;
  std::size_t slot_bytes = 0;  // of one slot: the largest group; 0 when all are resident
  std::size_t num_slots = 0;
  std::size_t staging_buffer_bytes = 0;  // of one buffer; 0 where the device's memory is the host's
  std::size_t num_staging_buffers = 0;

  bool all_resident() const { return num_slots == 0; }
  // Memory that the stage's weights take where a device has its own, and beside it on the host.
  std::size_t device_bytes() const { return resident_bytes + num_slots * slot_bytes; }
  std::size_t host_bytes() const { return staged_bytes + num_staging_buffers * staging_buffer_bytes; }
  // The same where both are one memory.
  std::size_t weights_bytes() const { return device_bytes() + host_bytes(); }

  // Bytes read from disk for the groups that are read once, and on every pass for the others.
  std::size_t once_read_bytes(std::span<const GroupLayout> groups) const;
  std::size_t pass_read_bytes(std::span<const GroupLayout> groups) const;
  std::size_t read_bytes(std::span<const GroupLayout> groups, std::size_t passes) const {
    return once_read_bytes(groups) + passes * pass_read_bytes(groups);
  }
  // Bytes copied on every pass to a discrete device.
  std::size_t pass_copy_bytes(std::span<const GroupLayout> groups) const;
};

// Memory for a stage's weights.
struct WeightRoom {
  std::size_t device_bytes = 0;
  std::size_t host_bytes = 0;
};

// Everything in memory.
Residency resident_everywhere(std::span<const GroupLayout> groups);
// The same for a discrete device.
Residency resident_on_device(std::span<const GroupLayout> groups);

// The residency that reads least within `available_bytes` of a device whose memory is the host's: all groups if they
// fit; otherwise two slots, so that one is read while the other is used, and resident groups beside them, spread evenly
// so that reading never pauses for long, until none that is left fits. With more memory the resident groups are never
// fewer bytes. Nothing when not even two slots fit. A function of its arguments alone.
std::optional<Residency> choose_residency(std::span<const GroupLayout> groups, std::size_t available_bytes);

// The same for a discrete device: first as many groups as fit are resident on it, then as many of the rest as fit
// beside the staging buffers are staged. Nothing when either memory is too small.
std::optional<Residency> choose_residency(std::span<const GroupLayout> groups, const WeightRoom& room);

// The least that choose_residency accepts.
std::size_t smallest_weights_bytes(std::span<const GroupLayout> groups);
WeightRoom smallest_weight_room(std::span<const GroupLayout> groups);

}  // namespace steadyflux
