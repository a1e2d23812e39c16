#include "format/shards.h"

#include <algorithm>
#include <functional>
#include <iomanip>
#include <iterator>
#include <numeric>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "format/config.h"
#include "format/json.h"
#include "format/printable.h"

namespace steadyflux {
namespace {

// A shard is a plain name in the index's own directory. A link there may lead elsewhere: caches are made of links.
void check_shard_name(const std::string& shard, const std::string& index) {
  const bool escapes = shard.empty() || shard == "." || shard == ".." || shard.find('/') != std::string::npos ||
                       shard.find('\\') != std::string::npos || shard.find('\0') != std::string::npos;
  if (escapes)
    fail(ErrorCode::kInvalidFile, index, " names the shard \"", printable(shard), "\", which is not a file beside it");
  if (!shard.ends_with(".safetensors")) {
    fail(ErrorCode::kUnsupported, index, " names the shard \"", printable(shard),
         "\", which is not a safetensors file");
  }
}

// Numbers the files and puts each one's tensors in the order that the safetensors library writes.
void finish(std::string_view stem, std::vector<Shard>& shards) {
  for (std::size_t i = 0; i < shards.size(); ++i) {
    shards[i].file_name = shard_name(stem, i + 1, shards.size());
    std::sort(shards[i].tensors.begin(), shards[i].tensors.end(),
              [](const TensorSpec& a, const TensorSpec& b) { return a.name < b.name; });
  }
}

}  // namespace

std::vector<std::size_t> pieces_per_file(std::span<const std::uint64_t> piece_bytes, std::uint64_t max_bytes) {
  std::vector<std::size_t> counts;
  std::uint64_t bytes_so_far = 0;
  for (const std::uint64_t bytes : piece_bytes) {
    if (counts.empty() || bytes_so_far + bytes > max_bytes) {
      counts.push_back(0);
      bytes_so_far = 0;
    }
    bytes_so_far += bytes;
    ++counts.back();
  }
  return counts;
}

std::string shard_name(std::string_view stem, std::size_t number, std::size_t count) {
  std::ostringstream name;
  name << stem;
  if (count > 1) name << '-' << std::setfill('0') << std::setw(5) << number << "-of-" << std::setw(5) << count;
  name << ".safetensors";
  return name.str();
}

std::uint64_t num_bytes(const TensorSpec& tensor) {
  const auto elements = std::accumulate(tensor.shape.begin(), tensor.shape.end(), std::int64_t{1}, std::multiplies<>());
  return bytes_of(tensor.dtype, elements);
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

WeightMap read_weight_map(const std::filesystem::path& index) {
  const Config weight_map = Config::load(index).require_section("weight_map");
  WeightMap result;
  for (const std::string& tensor : weight_map.keys()) {
    std::string shard = weight_map.require_string(tensor);
    check_shard_name(shard, index.string());
    result.emplace(tensor, std::move(shard));
  }
  if (result.empty()) fail(ErrorCode::kInvalidFile, index.string(), " lists no tensor");
  return result;
}

std::optional<WeightMap> find_weight_map(const std::filesystem::path& directory, std::string_view stem) {
  const std::filesystem::path path = directory / index_name(stem);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::nullopt;
  return read_weight_map(path);
}

std::vector<Shard> one_file(std::string_view stem, std::vector<TensorSpec> tensors) {
  std::vector<Shard> shards = {{"", std::move(tensors)}};
  finish(stem, shards);
  return shards;
}

std::vector<Shard> shards_of(std::string_view stem, std::vector<TensorSpec> tensors, std::uint64_t max_bytes) {
  std::vector<std::uint64_t> piece_bytes;
  for (const TensorSpec& tensor : tensors) piece_bytes.push_back(num_bytes(tensor));
  const std::uint64_t total = num_bytes(tensors);
  const bool in_two = total <= max_bytes;
  std::vector<std::size_t> counts = pieces_per_file(piece_bytes, in_two ? total / 2 : max_bytes);
  // The second takes what is left, however it lies.
  if (in_two && counts.size() > 2) counts = {counts[0], tensors.size() - counts[0]};
  std::vector<Shard> shards;
  auto next = std::make_move_iterator(tensors.begin());
  for (const std::size_t count : counts) {
    const auto end = next + static_cast<std::ptrdiff_t>(count);
    shards.push_back({"", {next, end}});
    next = end;
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

std::string index_name(std::string_view stem) { return std::string(stem) + ".safetensors.index.json"; }

std::string index_json(std::span<const Shard> shards) {
  Json index;
  index["metadata"]["total_size"] = num_bytes(shards);
  for (const Shard& shard : shards) {
    for (const TensorSpec& tensor : shard.tensors) index["weight_map"][tensor.name] = shard.file_name;
  }
  return index.dump(2) + "\n";
}

}  // namespace steadyflux
