#include <algorithm>
#include <cmath>
#include <system_error>

#include "base/bytes.h"
#include "base/error.h"
#include "format/safetensors.h"
#include "io/file.h"
#include "pipeline/bench/synthetic_checkpoint.h"
#include "pipeline/bench/synthetic_values.h"

namespace steadyflux::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlockBytes = std::size_t{4} << 20;
constexpr float kSmallDeviation = 0.02f;  // of biases, and of norm weights around 1

// Matrices keep the size of what goes through them; norms are nearly the identity. So activations stay finite, in bf16
// too, through a network of any depth.
ValueSequence values_of(const TensorSpec& tensor, std::uint64_t seed) {
  ValueSequence values{.key = sequence_key(seed, tensor.name), .mean = 0, .deviation = kSmallDeviation};
  if (tensor.shape.size() > 1) {
    double fan_in = 1;
    for (std::size_t i = 1; i < tensor.shape.size(); ++i) fan_in *= static_cast<double>(tensor.shape[i]);
    values.deviation = static_cast<float>(1 / std::sqrt(fan_in));
  } else if (tensor.name.ends_with("weight")) {
    values.mean = 1;
  }
  return values;
}

// Writes weights block by block through one buffer.
class SyntheticWriter {
 public:
  explicit SyntheticWriter(std::uint64_t seed) : seed_(seed), block_(kBlockBytes) {}

  // False when the progress ended it; there is no file then.
  bool write(const fs::path& path, const Shard& shard, WriteProgress progress) {
    SafetensorsWriter writer(path, shard.tensors, {{"format", "pt"}});
    for (const TensorSpec& tensor : shard.tensors) {
      if (!write(writer, tensor, progress)) return false;
    }
    writer.commit();
    return true;
  }

 private:
  bool write(SafetensorsWriter& writer, const TensorSpec& tensor, WriteProgress progress) {
    const ValueSequence values = values_of(tensor, seed_);
    const std::uint64_t total = num_bytes(tensor);
    for (std::uint64_t done = 0; done < total;) {
      const auto bytes =
          std::span(block_).first(static_cast<std::size_t>(std::min<std::uint64_t>(kBlockBytes, total - done)));
      fill_values(values, done / dtype_bytes(tensor.dtype), tensor.dtype, bytes);
      writer.write(tensor.name, bytes);
      done += bytes.size();
      written_bytes_ += bytes.size();
      if (!progress(written_bytes_)) return false;
    }
    return true;
  }

  std::uint64_t seed_;
  std::vector<std::byte> block_;
  std::uint64_t written_bytes_ = 0;
};

void check_empty(const fs::path& directory) {
  std::error_code ignored;
  if (!fs::exists(directory, ignored)) return;
  if (!fs::is_directory(directory, ignored)) {
    fail(ErrorCode::kInvalidArgument, directory.string(), " is not a directory; give the name of a new one");
  }
  if (!fs::is_empty(directory, ignored)) {
    fail(ErrorCode::kInvalidArgument, directory.string(),
         " is not empty, and nothing in it is overwritten; give the name of a new directory");
  }
}

void check_room(const fs::path& directory, const SyntheticCheckpoint& checkpoint) {
  std::uint64_t needed = checkpoint.weights_bytes;
  for (const TextFile& file : checkpoint.files) needed += file.content.size();
  const std::uint64_t available = fs::space(directory).available;
  if (needed <= available) return;
  fail(ErrorCode::kIo, directory.string(), ": the model takes ", format_bytes(needed), ", but the disk has ",
       format_bytes(available), " left; ask for fewer layers or give a directory on another disk");
}

void write_text(const fs::path& path, const std::string& content) {
  fs::create_directories(path.parent_path());
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

}  // namespace

bool write_synthetic_checkpoint(const SyntheticCheckpoint& checkpoint, WriteProgress progress) {
  check_empty(checkpoint.out);
  try {
    fs::create_directories(checkpoint.out);
    check_room(checkpoint.out, checkpoint);
    SyntheticWriter writer(checkpoint.seed);
    for (const SyntheticComponent& component : checkpoint.components) {
      const fs::path directory = checkpoint.out / component.name;
      fs::create_directories(directory);
      for (const Shard& shard : component.shards) {
        if (!writer.write(directory / shard.file_name, shard, progress)) return false;
      }
    }
    for (const TextFile& file : checkpoint.files) write_text(checkpoint.out / file.path, file.content);
  } catch (const fs::filesystem_error& error) {
    fail(ErrorCode::kIo, error.what());
  }
  return true;
}

}  // namespace steadyflux::bench
