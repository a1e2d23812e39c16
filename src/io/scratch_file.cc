#include "io/scratch_file.h"

#include <random>
#include <string>
#include <system_error>

#include "base/error.h"

namespace steadyflux {

ScratchFile::ScratchFile(const std::filesystem::path& directory) {
  std::random_device random;
  while (!writer_.is_open()) {
    path_ = directory / (".steadyflux-" + std::to_string(random()) + ".scratch");
    writer_ = FileHandle::create_new(path_);
  }
  reader_ = FileHandle::open_to_read(path_);
  std::error_code still_open;  // where an open file keeps its name, the destructor takes it away
  std::filesystem::remove(path_, still_open);
}

ScratchFile::~ScratchFile() {
  writer_ = {};
  reader_ = {};
  std::error_code gone_already;
  std::filesystem::remove(path_, gone_already);
}

void ScratchFile::append(std::span<const std::byte> bytes) {
  writer_.write_all(bytes, path_);
  num_bytes_ += bytes.size();
}

void ScratchFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  ensure(offset <= num_bytes_ && out.size() <= num_bytes_ - offset, "reading beyond what was written");
  while (!out.empty()) {
    const std::size_t got = reader_.read_some(offset, out, path_);
    if (got == 0) fail(ErrorCode::kIo, path_.string(), " ended at byte ", offset, "; was it truncated?");
    offset += got;
    out = out.subspan(got);
  }
}

}  // namespace steadyflux
