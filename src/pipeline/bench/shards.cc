#include "pipeline/bench/shards.h"

#include <algorithm>
#include <iomanip>
#include <set>
#include <sstream>
#include <utility>

#include "format/config.h"
#include "format/json.h"

namespace steadyflux::bench {
namespace {

std::string file_name(std::string_view stem, std::size_t number, std::size_t count) {
  std::ostringstream name;
  name << stem << '-' << std::setfill('0') << std::setw(5) << number << "-of-" << std::setw(5) << count
       << ".safetensors";
  return name.str();
}

// Numbers the files and puts each one's tensors in the order that the safetensors library writes.
void finish(std::string_view stem, std::vector<Shard>& shards) {
  for (std::size_t i = 0; i < shards.size(); ++i) {
    shards[i].file_name = file_name(stem, i + 1, shards.size());
    std::sort(shards[i].tensors.begin(), shards[i].tensors.end(),
              [](const TensorSpec& a, const TensorSpec& b) { return a.name < b.name; });
  }
}

}  // namespace

std::uint64_t num_bytes(const TensorSpec& tensor) {
  std::uint64_t bytes = dtype_bytes(tensor.dtype);
  for (const std::int64_t extent : tensor.shape) bytes *= static_cast<std::uint64_t>(extent);
  return bytes;
}

std::uint64_t num_bytes(std::span<const TensorSpec> tensors) {
  std::uint64_t sum = 0;
  for (const TensorSpec& tensor : tensors) sum += num_bytes(tensor);
  return sum;
}

std::uint64_t num_bytes(std::span<const Shard> shards) {
  std::uint64_t sum = 0;
  for (const Shard& shard : shards) sum += num_bytes(shard.tensors);
  return sum;
}

std::optional<WeightMap> read_weight_map(const std::filesystem::path& directory, std::string_view stem) {
  const std::filesystem::path path = directory / (std::string(stem) + ".safetensors.index.json");
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::nullopt;
  const Config section = Config::load(path).require_section("weight_map");
  WeightMap result;
  for (const std::string& tensor : section.keys()) result.emplace(tensor, section.require_string(tensor));
  return result;
}

std::vector<Shard> one_file(std::string_view stem, std::vector<TensorSpec> tensors) {
  std::vector<Shard> shards = {{"", std::move(tensors)}};
  finish(stem, shards);
  shards.front().file_name = std::string(stem) + ".safetensors";
  return shards;
}

std::vector<Shard> shards_of(std::string_view stem, std::vector<TensorSpec> tensors, std::uint64_t max_bytes) {
  const std::uint64_t total = num_bytes(tensors);
  const bool in_two = total <= max_bytes;
  if (in_two) max_bytes = total / 2;
  std::vector<Shard> shards;
  std::uint64_t bytes_so_far = 0;
  for (TensorSpec& tensor : tensors) {
    const std::uint64_t bytes = num_bytes(tensor);
    const bool full = bytes_so_far + bytes > max_bytes && !(in_two && shards.size() == 2);
    if (shards.empty() || full) {
      shards.emplace_back();
      bytes_so_far = 0;
    }
    bytes_so_far += bytes;
    shards.back().tensors.push_back(std::move(tensor));
  }
  finish(stem, shards);
  return shards;
}

std::optional<std::vector<Shard>> shards_like(const WeightMap& published, std::string_view stem,
                                              const std::vector<TensorSpec>& tensors) {
  if (published.size() != tensors.size()) return std::nullopt;
  // Only the grouping is taken over, never a name: that would be a path out of a file.
  std::map<std::string, Shard> by_file;
  for (const TensorSpec& tensor : tensors) {
    const auto found = published.find(tensor.name);
    if (found == published.end()) return std::nullopt;
    by_file[found->second].tensors.push_back(tensor);
  }
  std::vector<Shard> shards;
  for (auto& [name, shard] : by_file) shards.push_back(std::move(shard));
  finish(stem, shards);
  return shards;
}

std::string index_json(std::span<const Shard> shards) {
  Json index;
  index["metadata"]["total_size"] = num_bytes(shards);
  for (const Shard& shard : shards) {
    for (const TensorSpec& tensor : shard.tensors) index["weight_map"][tensor.name] = shard.file_name;
  }
  return index.dump(2) + "\n";
}

}  // namespace steadyflux::bench
