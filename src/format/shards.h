// How the tensors of one component are cut into safetensors files and named, as the publishing libraries do it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/tensor_info.h"

namespace steadyflux {

// One weights file to be.
struct Shard {
  std::string file_name;
  std::vector<TensorSpec> tensors;  // in the order of their bytes in the file: by name
};

// Tensor name → file name, as a `<stem>.safetensors.index.json` lists them.
using WeightMap = std::map<std::string, std::string>;

// Of an index file. Throws Error(kInvalidFile) when it is not one, lists no tensor, or names a file that is not beside
// it; kUnsupported for a file that is not safetensors.
WeightMap read_weight_map(const std::filesystem::path& index);

// Of the index file in `directory`, if there is one.
std::optional<WeightMap> find_weight_map(const std::filesystem::path& directory, std::string_view stem);

// All tensors in `<stem>.safetensors`.
std::vector<Shard> one_file(std::string_view stem, std::vector<TensorSpec> tensors);

// How many of the pieces of these sizes each file takes, in their order: a new one is begun when the next piece would
// take the present one over `max_bytes`. Nothing for no pieces.
std::vector<std::size_t> pieces_per_file(std::span<const std::uint64_t> piece_bytes, std::uint64_t max_bytes);

// `<stem>.safetensors` of one file, `<stem>-00001-of-0000N.safetensors` of more; numbers count from 1.
std::string shard_name(std::string_view stem, std::size_t number, std::size_t count);

// Files of whole tensors as pieces_per_file() does it. When one file would do, there are two of about half the bytes
// each.
std::vector<Shard> shards_of(std::string_view stem, std::vector<TensorSpec> tensors, std::uint64_t max_bytes);

// Files that hold the same tensors as those of `published`, which names exactly `tensors`; nothing when it does not.
std::optional<std::vector<Shard>> shards_like(const WeightMap& published, std::string_view stem,
                                              const std::vector<TensorSpec>& tensors);

// "<stem>.safetensors.index.json"
std::string index_name(std::string_view stem);
// The text of the index file for `shards`.
std::string index_json(std::span<const Shard> shards);

std::uint64_t num_bytes(const TensorSpec& tensor);
std::uint64_t num_bytes(std::span<const TensorSpec> tensors);
std::uint64_t num_bytes(std::span<const Shard> shards);

}  // namespace steadyflux
