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

void check_weight(const WeightIndex& index, const WeightSpec& spec, const WeightEntry& entry) {
  if (!same_without_unit_tail(spec.shape, entry.shape)) {
    fail(ErrorCode::kInvalidFile, index.file(entry).name(), ": tensor '", spec.name, "' has shape ",
         shape_text(entry.shape), ", but the model's configuration asks for ", spec.shape.to_string(),
         "; config.json and weights do not belong together");
  }
  if (entry.dtype != DType::kF32 && entry.dtype != DType::kBF16 && entry.dtype != DType::kF16) {
    fail(ErrorCode::kUnsupported, index.file(entry).name(), ": tensor '", spec.name, "' is of type ",
         dtype_name(entry.dtype), "; weights may be f32, f16 or bf16");
  }
}

PlacedWeight find_weight(const WeightIndex& index, const WeightSpec& spec) {
  const WeightEntry& entry = index.at(spec.name);
  check_weight(index, spec, entry);
  return {spec.name, entry.dtype, spec.shape, entry.file, entry.offset, static_cast<std::size_t>(entry.num_bytes), 0};
}

constexpr std::uint64_t block_of(std::uint64_t offset) { return offset / kDirectAlignment * kDirectAlignment; }

// Whether the blocks of `run` and those of the weight, which begins behind the run's beginning, touch or overlap, and
// the weight can lie in its image.
bool continues(const FileRun& run, const PlacedWeight& weight) {
  return weight.file == run.file && block_of(weight.file_offset) <= run.file_offset + run.num_bytes &&
         (weight.file_offset - run.shift) % dtype_bytes(weight.dtype) == 0;
}

FileRun begin_run(const PlacedWeight& weight, std::size_t offset) {
  return {weight.file, block_of(weight.file_offset), 0, offset, weight.file_offset % dtype_bytes(weight.dtype)};
}

// Makes the runs of a group from its weights and places these in them.
void place_in_runs(GroupLayout& layout) {
  std::vector<PlacedWeight*> weights;
  for (PlacedWeight& weight : layout.weights) weights.push_back(&weight);
  std::sort(weights.begin(), weights.end(), [](const PlacedWeight* a, const PlacedWeight* b) {
    return std::tie(a->file, a->file_offset) < std::tie(b->file, b->file_offset);
  });
  for (PlacedWeight* weight : weights) {
    if (layout.runs.empty() || !continues(layout.runs.back(), *weight)) {
      layout.runs.push_back(begin_run(*weight, layout.num_bytes));
    }
    FileRun& run = layout.runs.back();
    const auto end = static_cast<std::size_t>(weight->file_offset + weight->num_bytes - run.file_offset);
    run.num_bytes = std::max(run.num_bytes, align_up(end, kDirectAlignment));
    layout.num_bytes = run.offset + run.num_bytes;
    weight->offset = run.offset + end - weight->num_bytes - run.shift;
  }
}

// One weight after another, as wide apart as kernels of a device ask for.
void place_on_device(GroupLayout& layout) {
  for (PlacedWeight& weight : layout.weights) {
    weight.device_offset = layout.device_bytes;
    layout.device_bytes += align_up(weight.num_bytes, Arena::kAlignment);
  }
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

void check_all_known(const WeightIndex& index, std::span<const GroupSpec> groups,
                     std::span<const std::string_view> ignored) {
  std::set<std::string_view> known(ignored.begin(), ignored.end());
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
  std::vector<Tensor> tensors;
  tensors.reserve(layout.weights.size());
  for (const PlacedWeight& weight : layout.weights) {
    tensors.emplace_back(memory + weight.offset, weight.dtype, weight.shape);
  }
  return tensors;
}

std::vector<Tensor> bind_group_on_device(const GroupLayout& layout, std::byte* memory) {
  std::vector<Tensor> tensors;
  tensors.reserve(layout.weights.size());
  for (const PlacedWeight& weight : layout.weights) {
    tensors.emplace_back(memory + weight.device_offset, weight.dtype, weight.shape);
  }
  return tensors;
}

}  // namespace steadyflux
