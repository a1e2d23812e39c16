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
  if (offset >= faults_.end_at) return 0;
  std::uint64_t num_bytes = std::min<std::uint64_t>(out.size(), faults_.end_at - offset);
  if (faults_.max_bytes_per_read != 0) num_bytes = std::min(num_bytes, faults_.max_bytes_per_read);
  const std::span<std::byte> part = out.first(num_bytes);
  file_->read(offset, part);
  if (faults_.garbage_every != 0 && count % faults_.garbage_every == 0) {
    std::transform(part.begin(), part.end(), part.begin(), [](std::byte b) { return ~b; });
  }
  return part.size();
}

}  // namespace steadyflux
