// How the tensors of one component are cut into safetensors files, as the publishing libraries do it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/safetensors.h"

namespace steadyflux::bench {

// One weights file to be.
struct Shard {
  std::string file_name;
  std::vector<TensorSpec> tensors;  // in the order of their bytes in the file: by name
};

// Tensor name → file name, as a `<stem>.safetensors.index.json` lists them.
using WeightMap = std::map<std::string, std::string>;

// The index of `directory`, if there is one. Throws Error(kInvalidFile) when it is not an index.
std::optional<WeightMap> read_weight_map(const std::filesystem::path& directory, std::string_view stem);

// All tensors in `<stem>.safetensors`.
std::vector<Shard> one_file(std::string_view stem, std::vector<TensorSpec> tensors);

// Files in the order of `tensors`, a new one begun when the next tensor would take the present one over `max_bytes`:
// `<stem>-00001-of-0000N.safetensors`. When one file would do, there are two of
// about half the bytes each.
std::vector<Shard> shards_of(std::string_view stem, std::vector<TensorSpec> tensors, std::uint64_t max_bytes);

// Files that hold the same tensors as those of `published`, which names exactly `tensors`; nothing when it does not.
std::optional<std::vector<Shard>> shards_like(const WeightMap& published, std::string_view stem,
                                              const std::vector<TensorSpec>& tensors);

// The text of the index file for `shards`.
std::string index_json(std::span<const Shard> shards);

std::uint64_t num_bytes(const TensorSpec& tensor);
std::uint64_t num_bytes(std::span<const TensorSpec> tensors);
std::uint64_t num_bytes(std::span<const Shard> shards);

}  // namespace steadyflux::bench
