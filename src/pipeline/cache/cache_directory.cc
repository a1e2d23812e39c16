#include "pipeline/cache/cache_directory.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

#include "base/error.h"
#include "platform/list_directory.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;
using Notes = CacheDirectory::Notes;

constexpr std::string_view kSuffix = ".safetensors";
constexpr std::string_view kKeyNote = "key";
constexpr std::string_view kChecksumNote = "checksum";

// A file half written for so long belongs to a process that is gone.
constexpr std::chrono::hours kAbandonedAfter{24};

void add_description(Hasher& hasher, std::string_view name, DType dtype, std::span<const std::int64_t> shape) {
  hasher.add(name);
  hasher.add(dtype_name(dtype));
  hasher.add(std::uint64_t{shape.size()});
  for (const std::int64_t extent : shape) hasher.add(static_cast<std::uint64_t>(extent));
}

void add_notes(Hasher& hasher, const Notes& notes) {
  hasher.add(std::uint64_t{notes.size()});
  for (const auto& [name, text] : notes) {
    hasher.add(name);
    hasher.add(text);
  }
}

// Of everything an entry says; `notes` are those without key and checksum.
std::string checksum(const Digest& key, std::span<const TensorBytes> tensors, const Notes& notes) {
  Hasher hasher;
  hasher.add(key);
  add_notes(hasher, notes);
  for (const TensorBytes& tensor : tensors) {
    add_description(hasher, tensor.spec.name, tensor.spec.dtype, tensor.spec.shape);
    hasher.add_bytes(tensor.bytes);
  }
  return hasher.digest().to_hex();
}

std::string take_note(Notes& notes, std::string_view name) {
  auto node = notes.extract(std::string(name));
  return node.empty() ? std::string() : std::move(node.mapped());
}

bool same_tensors(std::span<const TensorInfo> found, std::span<const TensorTarget> expected) {
  return std::equal(found.begin(), found.end(), expected.begin(), expected.end(),
                    [](const TensorInfo& a, const TensorTarget& b) {
                      return a.name == b.spec.name && a.dtype == b.spec.dtype && a.shape == b.spec.shape;
                    });
}

// Nothing when the content is not what was stored under `key`. Throws Error when it is not even a safetensors file.
std::optional<Notes> read_entry(const ReadableFile& file, const Digest& key, std::span<const TensorTarget> targets) {
  SafetensorsHeader header = read_safetensors_header(file);
  if (!same_tensors(header.tensors, targets)) return std::nullopt;
  std::vector<TensorBytes> tensors;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    ensure(targets[i].bytes.size() == header.tensors[i].num_bytes, "memory of another size for ", targets[i].spec.name);
    file.read(header.tensors[i].offset, targets[i].bytes);
    tensors.push_back({targets[i].spec, targets[i].bytes});
  }
  Notes notes = std::move(header.metadata);
  const std::string stated_key = take_note(notes, kKeyNote);
  const std::string stated_sum = take_note(notes, kChecksumNote);
  if (stated_key != key.to_hex() || stated_sum != checksum(key, tensors, notes)) return std::nullopt;
  return notes;
}

bool is_entry(std::string_view name) {
  return name.ends_with(kSuffix) && Digest::from_hex(name.substr(0, name.size() - kSuffix.size())).has_value();
}

// ".<entry>.<process>.<attempt>.tmp", as AtomicFile names what it has not finished.
bool is_unfinished_entry(std::string_view name) {
  constexpr std::size_t kEntryLength = 32 + kSuffix.size();
  return name.size() > kEntryLength && name.front() == '.' && name.ends_with(".tmp") &&
         is_entry(name.substr(1, kEntryLength));
}

// The system's own time of a write stands still for a tick of its clock, in which several entries may be used.
void mark_used(const fs::path& path) {
  std::error_code ignored;
  fs::last_write_time(path, fs::file_time_type::clock::now(), ignored);
}

struct StoredFile {
  fs::path path;
  fs::file_time_type used;
  std::uint64_t num_bytes = 0;
};

// An entry as it was listed; one that is gone is none, and an abandoned one is removed.
void add_entry(const fs::path& path, fs::file_time_type now, std::vector<StoredFile>& entries) {
  const std::string name = path.filename().string();
  const bool unfinished = is_unfinished_entry(name);
  if (!unfinished && !is_entry(name)) return;
  std::error_code vanished;
  const auto used = fs::last_write_time(path, vanished);
  const std::uint64_t num_bytes = vanished ? 0 : fs::file_size(path, vanished);
  if (vanished) return;
  if (!unfinished) {
    entries.push_back({path, used, num_bytes});
  } else if (now - used > kAbandonedAfter) {
    fs::remove(path, vanished);
  }
}

// The entries of a directory, as far as it can be listed.
std::vector<StoredFile> list_entries(const fs::path& directory) {
  std::vector<StoredFile> entries;
  const auto now = fs::file_time_type::clock::now();
  std::error_code ignored;
  for (const fs::path& path : list_directory(directory, ignored)) add_entry(path, now, entries);
  return entries;
}

}  // namespace

bool CacheDirectory::has(const Digest& key) const {
  std::error_code ignored;
  return enabled() && fs::is_regular_file(path_of(key), ignored);
}

std::optional<Notes> CacheDirectory::read(const Digest& key, std::span<const TensorTarget> tensors) {
  if (!enabled()) return std::nullopt;
  const fs::path path = path_of(key);
  std::unique_ptr<ReadableFile> file;
  try {
    file = open_file(path);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kNotFound) return std::nullopt;
    warnings_.push_back("the prompt cache " + directory_.string() + " is not used: " + error.what());
    directory_.clear();
    return std::nullopt;
  }
  std::string damage = "its checksum does not hold";
  try {
    if (auto notes = read_entry(*file, key, tensors)) {
      mark_used(path);
      return notes;
    }
  } catch (const Error& error) {
    damage = error.what();
  }
  warnings_.push_back("the prompt cache's file " + path.string() + " is damaged and made anew: " + damage);
  std::error_code ignored;
  fs::remove(path, ignored);
  return std::nullopt;
}

void CacheDirectory::store(const Digest& key, std::span<const TensorBytes> tensors, Notes notes) {
  std::uint64_t num_bytes = 0;
  for (const TensorBytes& tensor : tensors) num_bytes += tensor.bytes.size();
  if (!enabled() || !writable_ || num_bytes > max_bytes_) return;
  try {
    write(key, tensors, std::move(notes));
  } catch (const Error& error) {
    writable_ = false;
    warnings_.push_back("nothing is stored in the prompt cache " + directory_.string() + ": " + error.what());
    return;
  }
  mark_used(path_of(key));
  make_room();
}

fs::path CacheDirectory::path_of(const Digest& key) const { return directory_ / (key.to_hex() + std::string(kSuffix)); }

void CacheDirectory::write(const Digest& key, std::span<const TensorBytes> tensors, Notes notes) {
  ensure(!notes.contains(std::string(kKeyNote)) && !notes.contains(std::string(kChecksumNote)), "a reserved note");
  std::error_code error;
  fs::create_directories(directory_, error);
  if (error) fail(ErrorCode::kIo, "cannot make the directory: ", error.message());
  std::string sum = checksum(key, tensors, notes);
  notes.emplace(kKeyNote, key.to_hex());
  notes.emplace(kChecksumNote, std::move(sum));
  write_safetensors(path_of(key), tensors, notes);
}

void CacheDirectory::make_room() const {
  std::vector<StoredFile> entries = list_entries(directory_);
  std::uint64_t total_bytes = 0;
  for (const StoredFile& entry : entries) total_bytes += entry.num_bytes;
  if (total_bytes <= max_bytes_) return;
  std::sort(entries.begin(), entries.end(), [](const StoredFile& a, const StoredFile& b) {
    return std::tie(a.used, a.path) < std::tie(b.used, b.path);
  });
  for (const StoredFile& entry : entries) {
    if (total_bytes <= max_bytes_) break;
    // Gone is gone, whoever removed it.
    std::error_code ignored;
    fs::remove(entry.path, ignored);
    total_bytes -= entry.num_bytes;
  }
}

}  // namespace steadyflux
