#include "memory/resident_store.h"

#include "backend/arena.h"
#include "base/checked.h"
#include "base/error.h"
#include "io/direct_file.h"

namespace steadyflux {

ResidentStore::ResidentStore(Backend& backend, const WeightIndex& index, std::span<const GroupLayout> layouts,
                             const OpenForReading& open)
    : region_(backend.reserve(total_bytes(layouts) + kDirectAlignment)) {
  GroupReader reader(index, open);
  groups_.reserve(layouts.size());
  const auto address = align_up(reinterpret_cast<std::uintptr_t>(region_->data()), kDirectAlignment);
  auto* memory = reinterpret_cast<std::byte*>(address);
  for (const GroupLayout& layout : layouts) {
    ensure(reader.read(layout, memory), "a read was cancelled by nobody");
    groups_.push_back(bind_group(layout, memory));
    memory += layout.num_bytes;
  }
  bytes_read_ = reader.bytes_read();
}

MeasuredWeights::MeasuredWeights(std::span<const GroupLayout> layouts) {
  groups_.reserve(layouts.size());
  Arena addresses = Arena::measuring();
  for (const GroupLayout& layout : layouts) groups_.push_back(bind_group(layout, addresses.allocate(layout.num_bytes)));
}

}  // namespace steadyflux
