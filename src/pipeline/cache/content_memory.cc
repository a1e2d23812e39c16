#include "pipeline/cache/content_memory.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <string>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "io/file.h"
#include "platform/file_identity.h"
#include "platform/list_directory.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kContentNote = "content";

// File times stand still for a tick of the kernel's clock (at most 10 ms), and longer on some network file systems.
constexpr std::int64_t kSettledAfterNs = 100'000'000;

// What can be listed; `error` says why the rest cannot.
std::vector<fs::path> list_files(const Places& places, std::error_code& error) {
  std::vector<fs::path> files;
  for (const fs::path& place : places) {
    std::error_code unlisted;
    if (fs::is_regular_file(place, unlisted)) {
      files.push_back(place);
      continue;
    }
    const std::vector<fs::path> below = list_directory(place, unlisted);
    files.insert(files.end(), below.begin(), below.end());
    if (unlisted) error = unlisted;
  }
  std::erase_if(files, [](const fs::path& path) {
    std::error_code vanished;
    return !fs::is_regular_file(path, vanished);
  });
  return files;
}

std::int64_t now_ns() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count();
}

Digest memory_key(std::string_view part, const FilesState& state) {
  Hasher hasher;
  hasher.add("content of files 1");
  hasher.add(part);
  hasher.add(state.identity);
  return hasher.digest();
}

}  // namespace

FilesState examine_files(const Places& places) {
  FilesState state;
  state.taken_ns = now_ns();
  Hasher hasher;
  std::error_code error;
  for (const fs::path& file : list_files(places, error)) {
    const auto identity = identify_file(file);
    if (!identity) continue;
    hasher.add(file.filename().string());
    hasher.add(identity->device);
    hasher.add(identity->inode);
    hasher.add(identity->size_bytes);
    hasher.add(static_cast<std::uint64_t>(identity->modified_ns));
    hasher.add(static_cast<std::uint64_t>(identity->changed_ns));
    state.newest_ns = std::max({state.newest_ns, identity->modified_ns, identity->changed_ns});
  }
  state.identity = hasher.digest();
  if (error) state.newest_ns = std::numeric_limits<std::int64_t>::max();
  return state;
}

std::optional<Digest> recall_content(CacheDirectory& cache, std::string_view part, const FilesState& state) {
  const auto notes = cache.read(memory_key(part, state), {});
  if (!notes) return std::nullopt;
  const auto note = notes->find(std::string(kContentNote));
  return note != notes->end() ? Digest::from_hex(note->second) : std::nullopt;
}

void remember_content(CacheDirectory& cache, std::string_view part, const Places& places, const FilesState& before,
                      const Digest& content) {
  if (before.taken_ns - before.newest_ns < kSettledAfterNs) return;
  if (examine_files(places) != before) return;
  cache.store(memory_key(part, before), {}, {{std::string(kContentNote), content.to_hex()}});
}

Digest content_of_small_files(CacheDirectory& cache, const fs::path& directory, std::uint64_t max_bytes) {
  constexpr std::string_view kPart = "all files";
  const FilesState before = examine_files({directory});
  if (const auto known = recall_content(cache, kPart, before)) return *known;
  std::error_code error;
  const std::vector<fs::path> files = list_files({directory}, error);
  if (error) fail(ErrorCode::kIo, "cannot list ", directory.string(), ": ", error.message());
  Hasher hasher;
  for (const fs::path& file : files) {
    hasher.add(file.filename().string());
    hasher.add(read_whole_file(file, max_bytes));
  }
  const Digest content = hasher.digest();
  remember_content(cache, kPart, {directory}, before, content);
  return content;
}

}  // namespace steadyflux
