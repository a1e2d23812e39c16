// Where the weights of each group come from and where they go: the join of a model's groups with its files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/weight_index.h"
#include "memory/lease.h"

namespace steadyflux {

// A stretch of a file and its place in the group's memory.
struct PlacedExtent {
  std::uint32_t file = 0;  // into WeightIndex::files()
  std::uint64_t file_offset = 0;
  std::size_t num_bytes = 0;
  std::size_t alignment = 1;      // of its elements; quantised blocks need none
  std::size_t offset = 0;         // from the start of the group's memory; aligned so, and no more than that
  std::size_t device_offset = 0;  // the same in the memory of a discrete device; aligned to Arena::kAlignment
};

// One weight: its elements and, where its type keeps them apart, its scales.
struct PlacedWeight {
  std::string name;
  DType dtype = DType::kF32;
  Shape shape;
  PlacedExtent values;
  PlacedExtent scales = {};      // Scales::values; without bytes unless has_scales_apart(dtype)
  PlacedExtent nested = {};      // Scales::nested; without bytes unless nested
  float nested_offset = 0;       // Scales::offset
  std::int64_t first_scale = 0;  // Scales::first

  // Those that have bytes.
  template <typename Visitor>
  void visit_extents(Visitor&& visit) const {
    for (const PlacedExtent* extent : {&values, &scales, &nested}) {
      if (extent->num_bytes > 0) visit(*extent);
    }
  }
};

// A stretch of a file that is read into the group's memory as it is, blocks of kDirectAlignment bytes, weights and what
// lies between. The last block may reach past the end of the file.
struct FileRun {
  std::uint32_t file = 0;  // into WeightIndex::files()
  std::uint64_t file_offset = 0;
  std::size_t num_bytes = 0;
  std::size_t offset = 0;  // from the start of the group's memory
  // The content lies so many bytes before where its blocks put it: 0 unless the file does not align its tensors to
  // their elements.
  std::size_t shift = 0;
};

// A group's memory is an image of the runs of blocks that its weights are in, so that a disk can write it past the page
// cache and without copies. Files rarely align tensors to more than 8 bytes; operations read weights once, into panels,
// and cost the same for any alignment. A discrete device gets the weights alone, aligned: each is copied anyway.
struct GroupLayout {
  std::string name;
  std::vector<PlacedWeight> weights;  // in the order of the GroupSpec
  std::size_t num_bytes = 0;          // memory of the group, a multiple of kDirectAlignment
  std::size_t device_bytes = 0;       // the same on a discrete device, a multiple of Arena::kAlignment
  std::vector<FileRun> runs = {};     // in the order of their offsets, without gaps
};

// Lays out every group. Throws Error: kNotFound when a weight is absent, kInvalidFile when its shape is not what the
// model's configuration asks for, kUnsupported when its dtype is none that operations take as such a weight.
std::vector<GroupLayout> place_groups(const WeightIndex& index, std::span<const GroupSpec> groups);

// Throws Error(kInvalidFile) naming the tensors of `index` that are in none of `groups`: a checkpoint with something
// unknown in it (scales of a quantised type, an adapter) would give a wrong picture.
void check_all_known(const WeightIndex& index, std::span<const GroupSpec> groups);

// Memory of all groups together.
std::size_t total_bytes(std::span<const GroupLayout> layouts);

// The tensors of a group whose memory begins at `memory`, in order. `memory` is aligned to kDirectAlignment.
std::vector<Tensor> bind_group(const GroupLayout& layout, std::byte* memory);
// The same in the memory of a discrete device.
std::vector<Tensor> bind_group_on_device(const GroupLayout& layout, std::byte* memory);

}  // namespace steadyflux
