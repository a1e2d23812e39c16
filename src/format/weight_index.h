// Where each weight of a component lies: name → dtype, shape, extents of its files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/weight_entry.h"
#include "io/file.h"

namespace steadyflux {

// Holds the opened files of one component and the extent of every tensor in them. Names are looked up while loading
// only. Immutable once built, so any thread may read it.
class WeightIndex {
 public:
  // Indexes every tensor of `files`, each safetensors or GGUF, whatever they are called; scales that are tensors of
  // their own go to their weights (scales_apart.h). `component` is what errors call them together. Throws
  // Error(kInvalidFile) when a name is in two files, and what the readers of headers and join_scales throw.
  WeightIndex(std::string component, std::vector<std::shared_ptr<const ReadableFile>> files);

  // Opens `<stem>.safetensors` in `directory` or, when there is none, the shards that `<stem>.safetensors.index.json`
  // lists or, without these too, the only *.gguf. Throws Error(kNotFound) when none is there or a shard is missing;
  // Error(kInvalidFile) when the index names a file outside the directory, or a tensor that is not in the shard it
  // names, or when there are several *.gguf. Tensors that are in a shard but not in the index are taken, as the
  // reference does: it loads whole shards.
  static WeightIndex open(const std::filesystem::path& directory, std::string_view stem);

  // The same files with other entries: other names, parts of weights.
  WeightIndex with_entries(WeightEntries entries) &&;

  // The entry of `name`, or null.
  const WeightEntry* find(std::string_view name) const;

  // The entry of `name`. Throws Error(kNotFound) naming tensor, component and the nearest names that do exist.
  const WeightEntry& at(std::string_view name) const;

  const WeightEntries& entries() const { return entries_; }
  std::span<const std::shared_ptr<const ReadableFile>> files() const { return files_; }
  // That the weight's elements are in.
  const ReadableFile& file(const WeightEntry& entry) const { return *files_[entry.values.file]; }
  // What each file was when its header was read: weights are where the index says as long as that has not changed.
  std::span<const FileIdentity> identities() const { return identities_; }
  const std::string& component() const { return component_; }

  // Sum of all weights' bytes, scales included.
  std::uint64_t total_bytes() const;

 private:
  WeightIndex() = default;

  // As the public constructor, with every tensor of the files by itself.
  static WeightIndex with_scales_apart(std::string component, std::vector<std::shared_ptr<const ReadableFile>> files);
  static WeightIndex open_shards(const std::filesystem::path& directory, const std::filesystem::path& index);

  std::string component_;
  std::vector<std::shared_ptr<const ReadableFile>> files_;
  std::vector<FileIdentity> identities_;
  WeightEntries entries_;
};

// File names (without extension) that the publishing libraries give to a component's weights.
inline constexpr std::string_view kDiffusersStem = "diffusion_pytorch_model";  // transformer, vae
inline constexpr std::string_view kTransformersStem = "model";                 // text encoders

}  // namespace steadyflux
