// Results kept on disk from run to run: files under fingerprints, least recently used out first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "format/safetensors.h"
#include "io/digest.h"

namespace steadyflux {

// A tensor that an entry must have, and the caller's memory that takes its bytes.
struct TensorTarget {
  TensorSpec spec;
  std::span<std::byte> bytes;  // exactly as many
};

// A directory of entries, each a safetensors file named by its key, with a checksum over all it says.
//
// Any number of processes may share the directory, and none waits for another: entries appear whole by renaming, are
// never changed, and may vanish at any time. A cache is never a reason to fail: what cannot be read is a miss, what
// cannot be written is dropped, and a warning says so once. Files that are not entries are left alone.
// Thread rule: one thread at a time.
class CacheDirectory {
 public:
  using Notes = std::map<std::string, std::string>;  // small texts beside the tensors
  static constexpr std::uint64_t kDefaultMaxBytes = std::uint64_t{2} << 30;

  // Touches nothing yet; the directory is made when there is something to store. An empty path is no cache at all.
  explicit CacheDirectory(std::filesystem::path directory, std::uint64_t max_bytes = kDefaultMaxBytes)
      : directory_(std::move(directory)), max_bytes_(max_bytes) {}

  bool enabled() const { return !directory_.empty(); }

  // Whether there is an entry under `key`; it may be gone, or prove damaged, when it is read.
  bool has(const Digest& key) const;

  // Reads the entry under `key`, whose tensors must be exactly `tensors`, and which now counts as just used. A damaged
  // entry is a miss and removed; the tensors' memory is then meaningless.
  std::optional<Notes> read(const Digest& key, std::span<const TensorTarget> tensors);

  // Publishes an entry, in place of an older one, then removes those not used for longest until all are within the
  // limit. What is larger than the limit by itself is not stored.
  void store(const Digest& key, std::span<const TensorBytes> tensors, Notes notes = {});

  // What went wrong since this was last asked, for people.
  std::vector<std::string> take_warnings() { return std::exchange(warnings_, {}); }

 private:
  std::filesystem::path path_of(const Digest& key) const;
  void write(const Digest& key, std::span<const TensorBytes> tensors, Notes notes);
  void make_room() const;

  std::filesystem::path directory_;
  std::uint64_t max_bytes_;
  bool writable_ = true;  // until a write has failed
  std::vector<std::string> warnings_;
};

}  // namespace steadyflux
