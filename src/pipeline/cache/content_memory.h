// What files of weights and tokenizers hold, remembered by the identities of their files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "io/digest.h"
#include "pipeline/cache/cache_directory.h"

namespace steadyflux {

// Files as they were at one moment, examined but not opened.
struct FilesState {
  Digest identity;             // of the files' names, devices, inodes, sizes and times
  std::int64_t newest_ns = 0;  // the latest of these times
  std::int64_t taken_ns = 0;   // when they were examined

  friend bool operator==(const FilesState& a, const FilesState& b) { return a.identity == b.identity; }
};

// Directories and single files.
using Places = std::vector<std::filesystem::path>;

// Of the files in `places`, and of all regular files right below the directories there (and those that links there lead
// to). Of a place that cannot be listed it is a state that nothing is remembered for.
FilesState examine_files(const Places& places);

// The content of `part` of files in state `state`, if a process that shares `cache` has remembered it.
std::optional<Digest> recall_content(CacheDirectory& cache, std::string_view part, const FilesState& state);

// Remembers that `part` of the files in `places`, which were in state `before` when reading began, is `content`. Does
// nothing when the files have changed meanwhile, or changed so shortly before that their times would not tell the next
// change.
void remember_content(CacheDirectory& cache, std::string_view part, const Places& places, const FilesState& before,
                      const Digest& content);

// The content of all regular files right below `directory`, which are small: recalled, or read and remembered.
// Throws Error when they cannot be read or one is larger than `max_bytes`.
Digest content_of_small_files(CacheDirectory& cache, const std::filesystem::path& directory, std::uint64_t max_bytes);

}  // namespace steadyflux
