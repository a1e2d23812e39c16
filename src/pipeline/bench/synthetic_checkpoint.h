// Complete model directories with made-up weights: the real layout, names, widths and files at any depth, for
// measuring where no published weights are.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/function_ref.h"
#include "format/shards.h"

namespace steadyflux::bench {

struct SyntheticOptions {
  std::filesystem::path like;  // a model directory; its weights are not needed
  std::filesystem::path out;   // must be absent or empty
  // Absent: as many as `like` has.
  std::optional<std::int64_t> double_blocks;
  std::optional<std::int64_t> single_blocks;
  std::optional<std::int64_t> t5_layers;
  std::optional<std::int64_t> clip_layers;
  DType dtype = DType::kBF16;                // of every weight: f32, f16 or bf16
  std::optional<std::uint64_t> shard_bytes;  // the most tensor bytes of a file; absent: as published
  std::uint64_t seed = 0;
};

// A file whose content is known beforehand.
struct TextFile {
  std::filesystem::path path;  // below the directory
  std::string content;
};

struct SyntheticComponent {
  std::string name;  // its directory
  std::vector<Shard> shards;
};

// What is to be written. Holds no weights.
struct SyntheticCheckpoint {
  std::filesystem::path out;
  std::vector<TextFile> files;  // configurations, tokenizers, indexes; model_index.json last
  std::vector<SyntheticComponent> components;
  std::uint64_t seed = 0;
  std::uint64_t weights_bytes = 0;
};

// Reads `like` and decides on every file; writes nothing. Components that `like` has several files of (an index) get
// several files; with its full depth and no shard_bytes, the very same cut. Throws Error: what open_model_dir and the
// configurations throw; kInvalidArgument for layers of an encoder that `like` does not have.
SyntheticCheckpoint plan_synthetic_checkpoint(const SyntheticOptions& options);

// Told how many bytes of weights are written so far; false ends the work.
using WriteProgress = FunctionRef<bool(std::uint64_t written_bytes)>;

// Writes it, file by file, with a few MiB of memory; model_index.json comes last, so that what is incomplete is not a
// model. The same checkpoint always has the same bytes. False when `progress` ended it.
// Throws Error(kInvalidArgument) when the directory has something in it, Error(kIo) when the disk has not enough room,
// before anything is written.
bool write_synthetic_checkpoint(const SyntheticCheckpoint& checkpoint, WriteProgress progress);

}  // namespace steadyflux::bench
