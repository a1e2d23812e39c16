#include "memory/streamed_store.h"

#include <utility>

#include "base/checked.h"
#include "base/error.h"
#include "io/direct_file.h"

namespace steadyflux {

StreamedStore::StreamedStore(Backend& backend, const WeightIndex& index, std::span<const GroupLayout> groups,
                             const Residency& residency, std::size_t passes, const OpenForReading& open)
    : groups_(groups),
      resident_(residency.resident),
      files_(index, open),
      slot_index_(groups.size()),
      slots_(residency.num_slots) {
  ensure(!residency.all_resident() && residency.resident.size() == groups.size(), "nothing to stream");
  region_ = backend.reserve(residency.weights_bytes() + kDirectAlignment);
  auto address = align_up(reinterpret_cast<std::uintptr_t>(region_->data()), kDirectAlignment);
  auto* memory = reinterpret_cast<std::byte*>(address);
  for (Slot& slot : slots_) slot.memory = std::exchange(memory, memory + residency.slot_bytes);
  for (std::size_t group = 0; group < groups.size(); ++group) {
    std::byte* place = memory;
    if (resident_[group]) {
      ensure(files_.read(groups[group], place), "a read was cancelled by nobody");
      memory += groups[group].num_bytes;
    } else {
      slot_index_[group] = streamed_.size() % slots_.size();
      place = slot_of(group).memory;
      streamed_.push_back(group);
    }
    tensors_.push_back(bind_group(groups[group], place));
  }
  reader_ = std::thread([this, passes] { read_ahead(passes); });
}

StreamedStore::~StreamedStore() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  files_.cancel();
  reader_.join();
}

Lease StreamedStore::acquire(std::size_t group) {
  if (!resident_.at(group)) {
    std::unique_lock lock(mutex_);
    Slot& slot = slot_of(group);
    changed_.wait(lock, [&] { return slot.state == SlotState::kReady || error_; });
    if (slot.state != SlotState::kReady) std::rethrow_exception(error_);
    ensure(slot.group == group, "group ", groups_[group].name, " is asked for out of order, ", groups_[slot.group].name,
           " is next in its slot");
    slot.state = SlotState::kLeased;
  }
  return {*this, group, tensors_[group]};
}

void StreamedStore::release(std::size_t group) noexcept {
  if (resident_[group]) return;
  {
    const std::lock_guard lock(mutex_);
    slot_of(group).state = SlotState::kFree;
  }
  changed_.notify_all();
}

void StreamedStore::read_ahead(std::size_t passes) {
  try {
    for (std::size_t pass = 0; pass < passes; ++pass) {
      for (const std::size_t group : streamed_) {
        Slot& slot = slot_of(group);
        if (!take_free(slot, group)) return;
        if (!files_.read(groups_[group], slot.memory)) return;
        {
          const std::lock_guard lock(mutex_);
          slot.state = SlotState::kReady;
        }
        changed_.notify_all();
      }
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    error_ = std::current_exception();
    changed_.notify_all();
  }
}

bool StreamedStore::take_free(Slot& slot, std::size_t group) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return slot.state == SlotState::kFree || stop_; });
  if (stop_) return false;
  slot.state = SlotState::kReading;
  slot.group = group;
  return true;
}

}  // namespace steadyflux
