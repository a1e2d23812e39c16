// Weights that are read again on every pass, while the groups before them are computed.
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

// Resident groups are read once, when it is made; the others take turns in the slots, read ahead by a thread of its own
// in the order in which forward code asks for them, pass after pass. A group has the same slot in every pass.
// Owns its memory and its thread. Groups must be acquired in ascending order, each at most once a pass, and a lease
// must end before its slot is needed again.
// Thread rule: as WeightSource.
class StreamedStore final : public WeightSource {
 public:
  // Reads no more than `passes` passes. Borrows `groups` and `index` for as long as it lives.
  // Throws Error naming file and offset when a resident group cannot be read.
  StreamedStore(Backend& backend, const WeightIndex& index, std::span<const GroupLayout> groups,
                const Residency& residency, std::size_t passes, const OpenForReading& open = open_direct);
  ~StreamedStore() override;
  StreamedStore(const StreamedStore&) = delete;
  StreamedStore& operator=(const StreamedStore&) = delete;

  std::size_t num_groups() const override { return groups_.size(); }
  // Waits for the group's bytes. Throws what the reading thread met.
  Lease acquire(std::size_t group) override;
  std::uint64_t bytes_read() const override { return files_.bytes_read(); }

 private:
  enum class SlotState { kFree, kReading, kReady, kLeased };
  struct Slot {
    std::byte* memory = nullptr;
    std::size_t group = 0;  // that it holds, unless it is free
    SlotState state = SlotState::kFree;
  };

  void release(std::size_t group) noexcept override;
  void read_ahead(std::size_t passes);
  // Waits until the slot can be read into; false when the store is being destroyed.
  bool take_free(Slot& slot, std::size_t group);
  Slot& slot_of(std::size_t group) { return slots_[slot_index_[group]]; }

  std::span<const GroupLayout> groups_;
  std::vector<bool> resident_;
  std::unique_ptr<Region> region_;
  GroupReader files_;
  std::vector<std::vector<Tensor>> tensors_;  // of each group, at its place
  std::vector<std::size_t> streamed_;         // groups that take turns, in order
  std::vector<std::size_t> slot_index_;       // of each group; unused for resident ones

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Slot> slots_;   // guarded by mutex_
  std::exception_ptr error_;  // guarded by mutex_
  bool stop_ = false;         // guarded by mutex_
  std::thread reader_;
};

}  // namespace steadyflux
