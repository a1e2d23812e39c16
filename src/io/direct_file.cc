#include "io/direct_file.h"

#include <cstdint>

#include "base/error.h"

namespace steadyflux {
namespace {

bool is_aligned(std::uint64_t value) { return value % kDirectAlignment == 0; }

class DirectFile final : public ReadableFile {
 public:
  explicit DirectFile(const std::filesystem::path& path)
      : path_(path), name_(path.string()), handle_(FileHandle::open_to_read_direct(path)) {
    direct_ = handle_.is_open();
    if (!direct_) handle_ = FileHandle::open_to_read(path);
    size_ = handle_.size_bytes(path);
  }

  const std::string& name() const override { return name_; }
  std::uint64_t size() const override { return size_; }
  FileIdentity identity() const override { return handle_.identity(path_); }

 private:
  std::size_t read_some(std::uint64_t offset, std::span<std::byte> out) const override {
    ensure(is_aligned(offset) && is_aligned(out.size()) && is_aligned(reinterpret_cast<std::uintptr_t>(out.data())),
           "a direct read of ", out.size(), " bytes at byte ", offset, " of ", name_);
    std::size_t got = handle_.read_some(offset, out, path_);
    if (!direct_) handle_.drop_cached(offset, got);
    // What follows a read that was cut short begins at a block again.
    if (offset + got < size_) got -= got % kDirectAlignment;
    return got;
  }

  std::filesystem::path path_;
  std::string name_;
  FileHandle handle_;
  bool direct_ = false;
  std::uint64_t size_ = 0;
};

}  // namespace

std::unique_ptr<ReadableFile> open_direct_file(const std::filesystem::path& path) {
  return std::make_unique<DirectFile>(path);
}

}  // namespace steadyflux
