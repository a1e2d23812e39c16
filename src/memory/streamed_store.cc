#include "memory/streamed_store.h"

#include <algorithm>
#include <utility>

#include "base/checked.h"
#include "base/error.h"
#include "io/direct_file.h"

namespace steadyflux {

StreamedStore::StreamedStore(Backend& backend, const WeightIndex& index, std::span<const GroupLayout> groups,
                             const Residency& residency, std::size_t passes, const OpenForReading& open)
    : backend_(backend),
      groups_(groups),
      tiers_(residency.tiers),
      reader_(index, open),
      staging_buffer_bytes_(residency.staging_buffer_bytes) {
  ensure(residency.tiers.size() == groups.size(), "a residency for another number of groups");
  ensure(backend.is_discrete() == (residency.num_staging_buffers > 0), "a residency for another kind of device");
  place_slots(residency);
  if (backend.is_discrete()) place_host_memory(residency);
  thread_ = std::thread([this, passes] { fill_slots(passes); });
}

StreamedStore::~StreamedStore() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  reader_.cancel();
  thread_.join();
  try {
    backend_.wait(backend_.record(Stream::kCopy));
    backend_.wait(backend_.record(Stream::kCompute));
  } catch (const Error&) {
    // Of work whose results nobody has waited for: they are not wanted any more.
  }
}

Lease StreamedStore::acquire(std::size_t group) {
  Event filled;
  {
    std::unique_lock lock(mutex_);
    Slot& slot = slots_[slot_index_.at(group)];
    changed_.wait(lock, [&] { return slot.state == SlotState::kReady || error_; });
    if (slot.state != SlotState::kReady) std::rethrow_exception(error_);
    ensure(slot.group == group, "group ", groups_[group].name, " is asked for out of order, ", groups_[slot.group].name,
           " is next in its slot");
    filled = std::exchange(slot.filled, Event{});
    if (!is_resident(group)) slot.state = SlotState::kLeased;
  }
  backend_.wait_on(Stream::kCompute, filled);
  return {*this, group, tensors_[group]};
}

void StreamedStore::release(std::size_t group) noexcept {
  if (is_resident(group)) return;
  {
    const std::lock_guard lock(mutex_);
    Slot& slot = slot_of(group);
    slot.used = backend_.record(Stream::kCompute);
    slot.state = SlotState::kFree;
  }
  changed_.notify_all();
}

void StreamedStore::place_slots(const Residency& residency) {
  const bool discrete = backend_.is_discrete();
  // Files are read straight into host memory, which must lie as they want it.
  device_memory_ = backend_.reserve(residency.device_bytes() + (discrete ? 0 : kDirectAlignment));
  const auto address = reinterpret_cast<std::uintptr_t>(device_memory_->data());
  auto* memory = reinterpret_cast<std::byte*>(discrete ? address : align_up(address, kDirectAlignment));
  const auto take = [&](std::size_t bytes) { return std::exchange(memory, memory + bytes); };
  for (std::size_t i = 0; i < residency.num_slots; ++i) slots_.push_back({.memory = take(residency.slot_bytes)});
  std::size_t num_in_turn = 0;
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const GroupLayout& group = groups_[i];
    if (is_resident(i)) {
      slot_index_.push_back(slots_.size());
      slots_.push_back({.memory = take(discrete ? group.device_bytes : group.num_bytes)});
    } else {
      slot_index_.push_back(num_in_turn++ % residency.num_slots);
    }
    std::byte* const place = slot_of(i).memory;
    tensors_.push_back(discrete ? bind_group_on_device(group, place) : bind_group(group, place));
  }
}

void StreamedStore::place_host_memory(const Residency& residency) {
  host_memory_ = backend_.reserve_host(residency.host_bytes());
  std::byte* memory = host_memory_->data();
  for (std::size_t i = 0; i < residency.num_staging_buffers; ++i) {
    staging_.push_back({.memory = std::exchange(memory, memory + residency.staging_buffer_bytes)});
  }
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const std::size_t bytes = tiers_[i] == Tier::kStaged ? groups_[i].num_bytes : 0;
    staged_.push_back(std::exchange(memory, memory + bytes));
  }
}

void StreamedStore::fill_slots(std::size_t passes) {
  try {
    for (std::size_t pass = 0; pass < passes; ++pass) {
      for (std::size_t group = 0; group < groups_.size(); ++group) {
        if (pass > 0 && is_resident(group)) continue;
        if (!fill(group, pass == 0)) return;
      }
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    error_ = std::current_exception();
    changed_.notify_all();
  }
}

// Fills the slot of the group; false when the store is being destroyed.
bool StreamedStore::fill(std::size_t group, bool first_pass) {
  Slot& slot = slot_of(group);
  if (!backend_.is_discrete()) {
    if (!take_free(slot, group) || !reader_.read(groups_[group], slot.memory)) return false;
  } else if (tiers_[group] == Tier::kStaged) {
    if (first_pass && !reader_.read(groups_[group], staged_[group])) return false;
    if (!take_free(slot, group)) return false;
    copy(group, 0, {staged_[group], groups_[group].num_bytes}, slot);
  } else if (!copy_in_pieces(group, slot)) {
    return false;
  }
  {
    const std::lock_guard lock(mutex_);
    slot.filled = backend_.record(Stream::kCopy);
    slot.state = SlotState::kReady;
  }
  changed_.notify_all();
  return true;
}

// The first piece is read before the slot is free.
bool StreamedStore::copy_in_pieces(std::size_t group, Slot& slot) {
  const std::size_t group_bytes = groups_[group].num_bytes;
  std::size_t offset = 0;
  do {
    StagingBuffer& buffer = staging_[next_staging_];
    next_staging_ = (next_staging_ + 1) % staging_.size();
    backend_.wait(buffer.copied);
    const std::span content(buffer.memory, std::min(staging_buffer_bytes_, group_bytes - offset));
    if (!reader_.read_part(groups_[group], offset, content)) return false;
    if (offset == 0 && !take_free(slot, group)) return false;
    copy(group, offset, content, slot);
    buffer.copied = backend_.record(Stream::kCopy);
    offset += content.size();
  } while (offset < group_bytes);
  return true;
}

// Copies what lies of the weights in `content`, the bytes of the group's memory from `offset` on.
void StreamedStore::copy(std::size_t group, std::size_t offset, std::span<const std::byte> content, const Slot& slot) {
  const auto copy_part = [&](const PlacedExtent& extent) {
    const std::size_t begin = std::max(offset, extent.offset);
    const std::size_t end = std::min(offset + content.size(), extent.offset + extent.num_bytes);
    if (begin >= end) return;
    backend_.copy_async(content.subspan(begin - offset, end - begin),
                        slot.memory + extent.device_offset + (begin - extent.offset));
  };
  for (const PlacedWeight& weight : groups_[group].weights) weight.visit_extents(copy_part);
}

// Waits until the slot can be filled, or for a discrete device until copies to it can be given; false when the store is
// being destroyed.
bool StreamedStore::take_free(Slot& slot, std::size_t group) {
  Event used;
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return slot.state == SlotState::kFree || stop_; });
    if (stop_) return false;
    slot.state = SlotState::kFilling;
    slot.group = group;
    used = slot.used;
  }
  if (backend_.is_discrete()) {
    backend_.wait_on(Stream::kCopy, used);
  } else {
    backend_.wait(used);
  }
  return true;
}

}  // namespace steadyflux
