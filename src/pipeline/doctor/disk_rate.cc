#include "pipeline/doctor/disk_rate.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <system_error>

#include "platform/file_handle.h"
#include "platform/page_region.h"
#include "platform/process.h"

namespace steadyflux::doctor {
namespace {

// As large as the reads of weights: from here on a larger one is no faster.
constexpr std::size_t kReadBytes = std::size_t{16} << 20;
constexpr std::size_t kOwnFileBytes = std::size_t{128} << 20;
// What is read sooner says more about the disk's start than about its rate.
constexpr std::size_t kLeastBytes = std::size_t{32} << 20;

// A path of our own; what is there is gone when this is.
class OwnFile {
 public:
  explicit OwnFile(const std::filesystem::path& directory)
      : path_(directory / (".steadyflux-doctor." + std::to_string(process_id()))) {
    remove();
  }
  ~OwnFile() { remove(); }
  OwnFile(const OwnFile&) = delete;
  OwnFile& operator=(const OwnFile&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  void remove() const {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }

  std::filesystem::path path_;
};

// Not zeros: some disks and file systems keep no zeros.
void write_noise(const std::filesystem::path& path) {
  const PageRegion block(kReadBytes);
  std::uint32_t state = 1;
  for (std::size_t at = 0; at < block.size(); at += sizeof(state)) {
    state = state * 1664525u + 1013904223u;
    std::memcpy(block.data() + at, &state, sizeof(state));
  }
  FileHandle file = FileHandle::create_new(path);
  for (std::size_t written = 0; written < kOwnFileBytes; written += block.size()) file.write_all(block.bytes(), path);
  file.sync(path);
  file.close(path);
}

}  // namespace

DiskRate measure_file(const std::filesystem::path& path, double seconds) {
  using Clock = std::chrono::steady_clock;
  FileHandle file = FileHandle::open_to_read_direct(path);
  DiskRate rate;
  rate.direct = file.is_open();
  if (!rate.direct) file = FileHandle::open_to_read(path);
  const std::uint64_t size = file.size_bytes(path);
  if (!rate.direct) file.drop_cached(0, size);
  const PageRegion block(kReadBytes);
  const auto begin = Clock::now();
  double elapsed = 0;
  std::uint64_t at = 0;
  while (at + kReadBytes <= size && elapsed < seconds) {
    at += file.read_some(at, block.bytes(), path);
    elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
  }
  if (at >= kLeastBytes) rate.bytes_per_second = static_cast<double>(at) / elapsed;
  return rate;
}

DiskRate measure_directory(const std::filesystem::path& directory, double seconds) {
  const OwnFile file(directory);
  write_noise(file.path());
  return measure_file(file.path(), seconds);
}

}  // namespace steadyflux::doctor
