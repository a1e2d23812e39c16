#include "memory/group_layout.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "backend/arena.h"
#include "base/checked.h"
#include "base/error.h"
#include "io/direct_file.h"

namespace steadyflux {
namespace {

std::string shape_text(std::span<const std::int64_t> dims) {
  std::string text = "[";
  for (std::size_t i = 0; i < dims.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(dims[i]);
  return text + "]";
}

bool same_shape(const Shape& shape, std::span<const std::int64_t> dims) {
  if (static_cast<std::size_t>(shape.rank()) != dims.size()) return false;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] != dims[static_cast<std::size_t>(i)]) return false;
  }
  return true;
}

// 1x1 convolutions and linear layers hold the same numbers; checkpoints write the attention of the autoencoder as
// either.
bool same_without_unit_tail(const Shape& shape, std::span<const std::int64_t> dims) {
  while (dims.size() > static_cast<std::size_t>(shape.rank()) && dims.back() == 1) dims = dims.first(dims.size() - 1);
  return same_shape(shape, dims);
}

// Rows of whole blocks, and scales where the type needs them.
bool is_usable_matrix(const WeightEntry& entry) {
  if (!is_quantised(entry.dtype) && entry.dtype != DType::kI8) return false;
  if (entry.shape.size() != 2 || entry.shape[1] % block_shape(entry.dtype).elements != 0) return false;
  return !has_scales_apart(entry.dtype) || entry.scales.values.num_bytes > 0;
}

void check_weight(const WeightIndex& index, const WeightSpec& spec, const WeightEntry& entry) {
  if (!same_without_unit_tail(spec.shape, entry.shape)) {
    fail(ErrorCode::kInvalidFile, index.file(entry).name(), ": tensor '", spec.name, "' has shape ",
         shape_text(entry.shape), ", but the model's configuration asks for ", spec.shape.to_string(),
         "; config.json and weights do not belong together");
  }
  const bool floating = entry.dtype == DType::kF32 || entry.dtype == DType::kBF16 || entry.dtype == DType::kF16;
  if (floating || (spec.matrix && is_usable_matrix(entry))) return;
  fail(ErrorCode::kUnsupported, index.file(entry).name(), ": tensor '", spec.name, "' is of type ",
       dtype_name(entry.dtype), "; ",
       spec.matrix ? "such weights may be f32, f16, bf16, i8 with scales, or of a quantised type"
                   : "such weights may be f32, f16 or bf16");
}

PlacedExtent placed(const Extent& extent, std::size_t alignment) {
  return {extent.file, extent.offset, static_cast<std::size_t>(extent.num_bytes), alignment};
}

PlacedWeight find_weight(const WeightIndex& index, const WeightSpec& spec) {
  const WeightEntry& entry = index.at(spec.name);
  check_weight(index, spec, entry);
  PlacedWeight weight;
  weight.name = spec.name;
  weight.dtype = entry.dtype;
  weight.shape = spec.shape;
  weight.values = placed(entry.values, is_quantised(entry.dtype) ? 1 : dtype_bytes(entry.dtype));
  const bool nested = entry.scales.nested.num_bytes > 0;
  weight.scales = placed(entry.scales.values, nested ? 1 : sizeof(float));
  weight.nested = placed(entry.scales.nested, sizeof(float));
  weight.nested_offset = entry.scales.offset;
  weight.first_scale = entry.scales.first;
  return weight;
}

constexpr std::uint64_t block_of(std::uint64_t offset) { return offset / kDirectAlignment * kDirectAlignment; }

// Whether the blocks of `run` and those of the extent, which begins behind the run's beginning, touch or overlap, and
// the extent can lie in its image.
bool continues(const FileRun& run, const PlacedExtent& extent) {
  return extent.file == run.file && block_of(extent.file_offset) <= run.file_offset + run.num_bytes &&
         (extent.file_offset - run.shift) % extent.alignment == 0;
}

FileRun begin_run(const PlacedExtent& extent, std::size_t offset) {
  return {extent.file, block_of(extent.file_offset), 0, offset, extent.file_offset % extent.alignment};
}

// Makes the runs of a group from the extents of its weights and places these in them.
void place_in_runs(GroupLayout& layout) {
  std::vector<PlacedExtent*> extents;
  for (PlacedWeight& weight : layout.weights) {
    for (PlacedExtent* extent : {&weight.values, &weight.scales, &weight.nested}) {
      if (extent->num_bytes > 0) extents.push_back(extent);
    }
  }
  std::sort(extents.begin(), extents.end(), [](const PlacedExtent* a, const PlacedExtent* b) {
    return std::tie(a->file, a->file_offset) < std::tie(b->file, b->file_offset);
  });
  for (PlacedExtent* extent : extents) {
    if (layout.runs.empty() || !continues(layout.runs.back(), *extent)) {
      layout.runs.push_back(begin_run(*extent, layout.num_bytes));
    }
    FileRun& run = layout.runs.back();
    const auto end = static_cast<std::size_t>(extent->file_offset + extent->num_bytes - run.file_offset);
    run.num_bytes = std::max(run.num_bytes, align_up(end, kDirectAlignment));
    layout.num_bytes = run.offset + run.num_bytes;
    extent->offset = run.offset + end - extent->num_bytes - run.shift;
  }
}

// One extent after another, as wide apart as kernels of a device ask for: matrices, then their scales, then vectors, so
// that layers of one input lie as one layer would and can be computed as one (backend/joined_parts.h).
void place_on_device(GroupLayout& layout) {
  const auto place = [&](PlacedExtent& extent) {
    extent.device_offset = layout.device_bytes;
    layout.device_bytes += align_up(extent.num_bytes, Arena::kAlignment);
  };
  const auto is_matrix = [](const PlacedWeight& weight) { return weight.shape.rank() == 2; };
  for (PlacedExtent PlacedWeight::*part : {&PlacedWeight::values, &PlacedWeight::scales, &PlacedWeight::nested}) {
    for (PlacedWeight& weight : layout.weights) {
      if (is_matrix(weight)) place(weight.*part);
    }
  }
  for (PlacedWeight& weight : layout.weights) {
    if (!is_matrix(weight)) place(weight.values);
  }
}

// `place`: which of its places an extent has in that memory.
std::vector<Tensor> bind(const GroupLayout& layout, std::byte* memory, std::size_t PlacedExtent::*place) {
  const auto address = [&](const PlacedExtent& extent) {
    return extent.num_bytes > 0 ? memory + extent.*place : nullptr;
  };
  std::vector<Tensor> tensors;
  tensors.reserve(layout.weights.size());
  for (const PlacedWeight& weight : layout.weights) {
    Tensor& tensor = tensors.emplace_back(memory + weight.values.*place, weight.dtype, weight.shape);
    tensor.scales = {address(weight.scales), address(weight.nested), weight.nested_offset, weight.first_scale};
  }
  return tensors;
}

}  // namespace

std::vector<GroupLayout> place_groups(const WeightIndex& index, std::span<const GroupSpec> groups) {
  std::vector<GroupLayout> layouts;
  layouts.reserve(groups.size());
  for (const GroupSpec& group : groups) {
    GroupLayout& layout = layouts.emplace_back();
    layout.name = group.name;
    for (const WeightSpec& spec : group.weights) layout.weights.push_back(find_weight(index, spec));
    place_in_runs(layout);
    place_on_device(layout);
  }
  return layouts;
}

void check_all_known(const WeightIndex& index, std::span<const GroupSpec> groups) {
  std::set<std::string_view> known;
  for (const GroupSpec& group : groups) {
    for (const WeightSpec& weight : group.weights) known.insert(weight.name);
  }
  std::string unknown;
  std::size_t num_unknown = 0;
  for (const auto& [name, entry] : index.entries()) {
    if (known.contains(name)) continue;
    if (++num_unknown <= 5) unknown += (unknown.empty() ? "'" : ", '") + name + "'";
  }
  if (num_unknown == 0) return;
  fail(ErrorCode::kInvalidFile, index.component(), ": ", num_unknown, " tensors are not part of this model: ", unknown,
       num_unknown > 5 ? ", …" : "", "; the checkpoint is of another model or in a form this engine does not read");
}

std::size_t total_bytes(std::span<const GroupLayout> layouts) {
  std::size_t sum = 0;
  for (const GroupLayout& layout : layouts) sum += layout.num_bytes;
  return sum;
}

std::vector<Tensor> bind_group(const GroupLayout& layout, std::byte* memory) {
  return bind(layout, memory, &PlacedExtent::offset);
}

std::vector<Tensor> bind_group_on_device(const GroupLayout& layout, std::byte* memory) {
  return bind(layout, memory, &PlacedExtent::device_offset);
}

}  // namespace steadyflux
