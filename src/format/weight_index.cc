#include "format/weight_index.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "format/gguf.h"
#include "format/printable.h"
#include "format/safetensors.h"
#include "format/scales_apart.h"
#include "format/shards.h"
#include "platform/list_directory.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;

// Number of single-character edits that turn `a` into `b` (Levenshtein distance).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::string nearest_names(const WeightEntries& entries, std::string_view name) {
  constexpr std::size_t kNumNames = 3;
  // Names longer than any model's are not compared: a hostile file could make that very slow.
  constexpr std::size_t kMaxLength = 256;
  std::vector<std::pair<std::size_t, std::string_view>> candidates;
  for (const auto& [candidate, entry] : entries) {
    if (candidate.size() <= kMaxLength) candidates.emplace_back(edit_distance(name, candidate), candidate);
  }
  const std::size_t num_shown = std::min(kNumNames, candidates.size());
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(num_shown), candidates.end());
  std::string result;
  for (std::size_t i = 0; i < num_shown; ++i) {
    if (i > 0) result += ", ";
    result += printable(candidates[i].second);
  }
  return result;
}

std::vector<TensorInfo> read_tensors(const ReadableFile& file) {
  return is_gguf(file) ? read_gguf_header(file).tensors : read_safetensors_header(file).tensors;
}

// The only *.gguf of a directory; empty when there is none.
fs::path find_gguf(const fs::path& directory) {
  std::error_code unreadable;
  std::vector<fs::path> found = list_directory(directory, unreadable);
  std::erase_if(found, [](const fs::path& path) { return path.extension() != ".gguf"; });
  if (found.size() > 1) {
    fail(ErrorCode::kInvalidFile, directory.string(), " has several GGUF files, among them ",
         found[0].filename().string(), " and ", found[1].filename().string(), "; leave one of them there");
  }
  return found.empty() ? fs::path() : found[0];
}

}  // namespace

WeightIndex::WeightIndex(std::string component, std::vector<std::shared_ptr<const ReadableFile>> files)
    : WeightIndex(with_scales_apart(std::move(component), std::move(files))) {
  join_scales(entries_, files_);
}

WeightIndex WeightIndex::with_scales_apart(std::string component,
                                           std::vector<std::shared_ptr<const ReadableFile>> files) {
  WeightIndex result;
  result.component_ = std::move(component);
  result.files_ = std::move(files);
  for (std::uint32_t i = 0; i < result.files_.size(); ++i) {
    const ReadableFile& file = *result.files_[i];
    result.identities_.push_back(file.identity());
    for (TensorInfo& tensor : read_tensors(file)) {
      WeightEntry entry{tensor.dtype, std::move(tensor.shape), {i, tensor.offset, tensor.num_bytes}};
      const auto [it, added] = result.entries_.try_emplace(std::move(tensor.name), std::move(entry));
      if (!added) {
        fail(ErrorCode::kInvalidFile, "\"", printable(it->first), "\" is in both ", result.file(it->second).name(),
             " and ", file.name());
      }
    }
  }
  return result;
}

WeightIndex WeightIndex::open_shards(const fs::path& directory, const fs::path& index) {
  const WeightMap weight_map = read_weight_map(index);
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : weight_map) shards.insert(shard);
  std::vector<std::shared_ptr<const ReadableFile>> files;
  files.reserve(shards.size());
  for (const std::string& shard : shards) files.push_back(open_file(directory / shard));
  WeightIndex result = with_scales_apart(directory.string(), std::move(files));
  for (const auto& [tensor, shard] : weight_map) {
    const WeightEntry* entry = result.find(tensor);
    if (entry == nullptr || result.file(*entry).name() != (directory / shard).string()) {
      fail(ErrorCode::kInvalidFile, index.string(), " says that \"", printable(tensor), "\" is in ", shard,
           ", where it is not");
    }
  }
  join_scales(result.entries_, result.files_);
  return result;
}

WeightIndex WeightIndex::open(const fs::path& directory, std::string_view stem) {
  const fs::path single = directory / shard_name(stem, 1, 1);
  const fs::path index = directory / index_name(stem);
  std::error_code error;
  if (fs::exists(single, error)) return WeightIndex(directory.string(), {open_file(single)});
  if (fs::exists(index, error)) return open_shards(directory, index);
  if (const fs::path gguf = find_gguf(directory); !gguf.empty()) {
    return WeightIndex(directory.string(), {open_file(gguf)});
  }
  fail(ErrorCode::kNotFound, directory.string(), " has no weights: neither ", single.filename().string(), " nor ",
       index.filename().string(), " nor a *.gguf is there");
}

WeightIndex WeightIndex::with_entries(WeightEntries entries) && {
  WeightIndex result = std::move(*this);
  result.entries_ = std::move(entries);
  return result;
}

std::uint64_t WeightIndex::total_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& [name, entry] : entries_) sum += entry.num_bytes();
  return sum;
}

const WeightEntry* WeightIndex::find(std::string_view name) const {
  const auto it = entries_.find(name);
  return it != entries_.end() ? &it->second : nullptr;
}

const WeightEntry& WeightIndex::at(std::string_view name) const {
  const WeightEntry* entry = find(name);
  if (entry != nullptr) return *entry;
  fail(ErrorCode::kNotFound, component_, " has no tensor \"", name,
       "\"; the nearest names are: ", nearest_names(entries_, name));
}

}  // namespace steadyflux
