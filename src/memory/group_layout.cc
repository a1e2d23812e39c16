#include "memory/group_layout.h"

#include <algorithm>
#include <set>

#include "backend/arena.h"
#include "base/checked.h"
#include "base/error.h"

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

PlacedWeight place_weight(const WeightIndex& index, const WeightSpec& spec, std::size_t offset) {
  const WeightEntry& entry = index.at(spec.name);
  check_weight(index, spec, entry);
  return {spec.name, entry.dtype, spec.shape, entry.file, entry.offset, static_cast<std::size_t>(entry.num_bytes),
          offset};
}

}  // namespace

std::vector<GroupLayout> place_groups(const WeightIndex& index, std::span<const GroupSpec> groups) {
  std::vector<GroupLayout> layouts;
  layouts.reserve(groups.size());
  for (const GroupSpec& group : groups) {
    GroupLayout layout{group.name, {}, 0};
    for (const WeightSpec& spec : group.weights) {
      layout.weights.push_back(place_weight(index, spec, layout.num_bytes));
      layout.num_bytes += align_up(layout.weights.back().num_bytes, Arena::kAlignment);
    }
    layouts.push_back(std::move(layout));
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

}  // namespace steadyflux
