// The weights of a stage in up to three tiers: in the device's memory, in the host's, and on disk.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "backend/backend.h"
#include "memory/group_reader.h"
#include "memory/lease.h"
#include "memory/residency.h"

namespace steadyflux {

// Brings the groups to the device in the order in which forward code asks for them, pass after pass, by a thread of its
// own that is as far ahead of the computing as memory allows. Resident groups come in the first pass and stay; the
// others take turns in the slots, each in the same one on every pass. Where the device's memory is the host's, groups
// are read straight into their place. A discrete device gets staged groups from host memory, the others piece by piece
// through staging buffers, and copies run behind the computing: a slot is written when the work of its last lease is
// done, and a group's work begins when its copies are.
// Owns its memory and its thread. Groups that are not resident must be acquired in ascending order, each at most once a
// pass, and a lease must end before its slot is needed again.
// Thread rule: as WeightSource; its thread uses the backend as the second one that Backend allows.
class StreamedStore final : public WeightSource {
 public:
  // Reads no more than `passes` passes. Borrows `backend`, `groups` and `index` for as long as it lives.
  StreamedStore(Backend& backend, const WeightIndex& index, std::span<const GroupLayout> groups,
                const Residency& residency, std::size_t passes, const OpenForReading& open = open_direct);
  // Waits for the work that uses its memory.
  ~StreamedStore() override;
  StreamedStore(const StreamedStore&) = delete;
  StreamedStore& operator=(const StreamedStore&) = delete;

  std::size_t num_groups() const override { return groups_.size(); }
  // Waits until the group's bytes are in place, or on their way there behind the computing. Throws what the thread met:
  // what GroupReader throws.
  Lease acquire(std::size_t group) override;
  std::uint64_t bytes_read() const override { return reader_.bytes_read(); }

 private:
  enum class SlotState { kFree, kFilling, kReady, kLeased };
  // Device memory of one group at a time.
  struct Slot {
    std::byte* memory = nullptr;
    std::size_t group = 0;  // that it holds, unless it is free
    SlotState state = SlotState::kFree;
    Event filled = {};  // when its bytes are there
    Event used = {};    // when the work of its last lease is done
  };
  // Host memory on the way to a discrete device.
  struct StagingBuffer {
    std::byte* memory = nullptr;
    Event copied = {};  // when its content is no longer needed
  };

  void release(std::size_t group) noexcept override;
  void place_slots(const Residency& residency);
  void place_host_memory(const Residency& residency);

  void fill_slots(std::size_t passes);
  bool fill(std::size_t group, bool first_pass);
  bool copy_in_pieces(std::size_t group, Slot& slot);
  void copy(std::size_t group, std::size_t offset, std::span<const std::byte> content, const Slot& slot);
  bool take_free(Slot& slot, std::size_t group);

  Slot& slot_of(std::size_t group) { return slots_[slot_index_[group]]; }
  bool is_resident(std::size_t group) const { return tiers_[group] == Tier::kResident; }

  Backend& backend_;
  std::span<const GroupLayout> groups_;
  std::vector<Tier> tiers_;
  std::unique_ptr<Region> device_memory_;
  std::unique_ptr<Region> host_memory_;
  GroupReader reader_;
  std::vector<std::vector<Tensor>> tensors_;  // of each group, at its place
  std::vector<std::size_t> slot_index_;       // of each group
  std::vector<std::byte*> staged_;            // host memory of each staged group
  std::size_t staging_buffer_bytes_;
  std::vector<StagingBuffer> staging_;
  std::size_t next_staging_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Slot> slots_;   // guarded by mutex_; a resident group has one of its own
  std::exception_ptr error_;  // guarded by mutex_
  bool stop_ = false;         // guarded by mutex_
  std::thread thread_;
};

}  // namespace steadyflux
