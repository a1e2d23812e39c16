// Where each weight of a component lies: name → dtype, shape, file, extent.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "io/file.h"

namespace steadyflux {

struct WeightEntry {
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  std::uint32_t file = 0;    // into WeightIndex::files()
  std::uint64_t offset = 0;  // from the start of that file
  std::uint64_t num_bytes = 0;
};

// Holds the opened files of one component and the extent of every tensor in them. Names are looked up while loading
// only. Immutable once built, so any thread may read it.
class WeightIndex {
 public:
  using Entries = std::map<std::string, WeightEntry, std::less<>>;

  // Indexes every tensor of `files`, which are safetensors. `component` is what errors call them together. Throws
  // Error(kInvalidFile) when a name is in two files, and what read_safetensors_header throws.
  WeightIndex(std::string component, std::vector<std::shared_ptr<const ReadableFile>> files);

  // Opens `<stem>.safetensors` in `directory` or, when there is none, the shards that `<stem>.safetensors.index.json`
  // lists. Throws Error(kNotFound) when neither is there or a shard is missing; Error(kInvalidFile) when the index
  // names a file outside the directory, or a tensor that is not in the shard it names. Tensors that are in a shard but
  // not in the index are taken, as the reference does: it loads whole shards.
  static WeightIndex open(const std::filesystem::path& directory, std::string_view stem);

  // The entry of `name`, or null.
  const WeightEntry* find(std::string_view name) const;

  // The entry of `name`. Throws Error(kNotFound) naming tensor, component and the nearest names that do exist.
  const WeightEntry& at(std::string_view name) const;

  const Entries& entries() const { return entries_; }
  std::span<const std::shared_ptr<const ReadableFile>> files() const { return files_; }
  const ReadableFile& file(const WeightEntry& entry) const { return *files_[entry.file]; }
  // What each file was when its header was read: weights are where the index says as long as that has not changed.
  std::span<const FileIdentity> identities() const { return identities_; }
  const std::string& component() const { return component_; }

  // Sum of all tensors' bytes.
  std::uint64_t total_bytes() const { return total_bytes_; }

 private:
  std::string component_;
  std::vector<std::shared_ptr<const ReadableFile>> files_;
  std::vector<FileIdentity> identities_;
  Entries entries_;
  std::uint64_t total_bytes_ = 0;
};

// File names (without extension) that the publishing libraries give to a component's weights.
inline constexpr std::string_view kDiffusersStem = "diffusion_pytorch_model";  // transformer, vae
inline constexpr std::string_view kTransformersStem = "model";                 // text encoders

}  // namespace steadyflux
