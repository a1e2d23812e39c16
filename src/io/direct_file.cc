#include "io/direct_file.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/checked.h"
#include "base/error.h"

namespace steadyflux {
namespace {

bool is_aligned(std::uint64_t value) { return value % kDirectAlignment == 0; }

class DirectFile final : public ReadableFile {
 public:
  DirectFile(const std::filesystem::path& path, std::span<std::byte> bounce)
      : path_(path), name_(path.string()), handle_(FileHandle::open_to_read_direct(path)), bounce_(bounce) {
    ensure(is_aligned(reinterpret_cast<std::uintptr_t>(bounce.data())) && is_aligned(bounce.size()) && !bounce.empty(),
           "a bounce buffer of ", bounce.size(), " bytes");
    direct_ = handle_.is_open();
    if (!direct_) handle_ = FileHandle::open_to_read(path);
    size_ = handle_.size_bytes(path);
  }

  const std::string& name() const override { return name_; }
  std::uint64_t size() const override { return size_; }

 private:
  std::size_t read_some(std::uint64_t offset, std::span<std::byte> out) const override {
    if (!direct_) return read_cached(offset, out);
    const bool in_place = is_aligned(offset) && is_aligned(reinterpret_cast<std::uintptr_t>(out.data())) &&
                          out.size() >= kDirectAlignment;
    if (in_place) {
      return handle_.read_some(offset, out.first(out.size() / kDirectAlignment * kDirectAlignment), path_);
    }
    return read_bounced(offset, out);
  }

  std::size_t read_cached(std::uint64_t offset, std::span<std::byte> out) const {
    const std::size_t got = handle_.read_some(offset, out.first(std::min(out.size(), bounce_.size())), path_);
    handle_.drop_cached(offset, got);
    return got;
  }

  // Reads the aligned superset of what is wanted, as much of it as the bounce buffer holds.
  std::size_t read_bounced(std::uint64_t offset, std::span<std::byte> out) const {
    const std::size_t before = static_cast<std::size_t>(offset % kDirectAlignment);
    const std::size_t wanted = std::min(bounce_.size(), align_up(before + out.size(), kDirectAlignment));
    const std::size_t got = handle_.read_some(offset - before, bounce_.first(wanted), path_);
    if (got <= before) return 0;
    const std::size_t useful = std::min(got - before, out.size());
    std::memcpy(out.data(), bounce_.data() + before, useful);
    return useful;
  }

  std::filesystem::path path_;
  std::string name_;
  FileHandle handle_;
  bool direct_ = false;
  std::uint64_t size_ = 0;
  std::span<std::byte> bounce_;
};

}  // namespace

std::unique_ptr<ReadableFile> open_direct_file(const std::filesystem::path& path, std::span<std::byte> bounce) {
  return std::make_unique<DirectFile>(path, bounce);
}

}  // namespace steadyflux
