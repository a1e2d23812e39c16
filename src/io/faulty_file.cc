#include "io/faulty_file.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace steadyflux {

FaultyFile::FaultyFile(std::shared_ptr<const ReadableFile> file, Faults faults)
    : file_(std::move(file)), faults_(faults) {}

std::size_t FaultyFile::read_some(std::uint64_t offset, std::span<std::byte> out) const {
  const std::uint64_t count = ++num_reads_;
  if (faults_.fail_every != 0 && count % faults_.fail_every == 0) {
    fail(ErrorCode::kIo, "cannot read ", name(), " at byte ", offset, ": injected fault");
  }
  const std::uint64_t end = std::min(faults_.end_at, size());
  if (offset >= end) return 0;
  std::uint64_t num_bytes = std::min<std::uint64_t>(out.size(), end - offset);
  if (faults_.max_bytes_per_read != 0) num_bytes = std::min(num_bytes, faults_.max_bytes_per_read);
  // Beyond what is promised lies undefined memory: a file that reads whole blocks needs it.
  file_->read_blocks(offset, faults_.max_bytes_per_read != 0 ? out.first(num_bytes) : out);
  const std::span<std::byte> part = out.first(num_bytes);
  if (faults_.garbage_every != 0 && count % faults_.garbage_every == 0) {
    std::transform(part.begin(), part.end(), part.begin(), [](std::byte b) { return ~b; });
  }
  return part.size();
}

}  // namespace steadyflux
