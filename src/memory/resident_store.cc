#include "memory/resident_store.h"

#include "backend/arena.h"

namespace steadyflux {

ResidentStore::ResidentStore(Backend& backend, const WeightIndex& index, std::span<const GroupLayout> layouts)
    : region_(backend.reserve(total_bytes(layouts))) {
  groups_.reserve(layouts.size());
  std::byte* memory = region_->data();
  for (const GroupLayout& layout : layouts) {
    for (const PlacedWeight& weight : layout.weights) {
      index.files()[weight.file]->read(weight.file_offset, {memory + weight.offset, weight.num_bytes});
    }
    groups_.push_back(bind_group(layout, memory));
    memory += layout.num_bytes;
  }
}

MeasuredWeights::MeasuredWeights(std::span<const GroupLayout> layouts) {
  groups_.reserve(layouts.size());
  Arena addresses = Arena::measuring();
  for (const GroupLayout& layout : layouts) groups_.push_back(bind_group(layout, addresses.allocate(layout.num_bytes)));
}

}  // namespace steadyflux
