#include "io/file.h"

#include <algorithm>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"
#include "io/temporary_name.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;

class PlainFile final : public ReadableFile {
 public:
  explicit PlainFile(const fs::path& path)
      : path_(path), name_(path.string()), handle_(FileHandle::open_to_read(path)), size_(handle_.size_bytes(path)) {}

  const std::string& name() const override { return name_; }
  std::uint64_t size() const override { return size_; }
  FileIdentity identity() const override { return handle_.identity(path_); }

 private:
  std::size_t read_some(std::uint64_t offset, std::span<std::byte> out) const override {
    return handle_.read_some(offset, out, path_);
  }

  fs::path path_;
  std::string name_;
  FileHandle handle_;
  std::uint64_t size_;
};

[[noreturn]] void fail_short(const ReadableFile& file, std::uint64_t offset, std::uint64_t num_bytes) {
  fail(ErrorCode::kInvalidFile, file.name(), " ends before byte ", offset, ", where ", num_bytes,
       " more are expected (its size was ", file.size(), " bytes when opened); is it still being written or copied?");
}

// A link's target is what is to be replaced, not the link.
fs::path resolve_target(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    fail(ErrorCode::kInvalidArgument, "cannot write ", path.string(), ": it is a directory or device, not a file");
  }
  if (!fs::is_symlink(fs::symlink_status(path, error))) return path;
  fs::path target = fs::weakly_canonical(path, error);
  if (error) fail(ErrorCode::kIo, "cannot follow the link ", path.string(), ": ", error.message());
  return target;
}

}  // namespace

void ReadableFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (offset > size() || out.size() > size() - offset) fail_short(*this, offset, out.size());
  read_blocks(offset, out);
}

void ReadableFile::read_blocks(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty() && offset < size()) {
    const std::size_t got = read_some(offset, out);
    if (got == 0) fail_short(*this, offset, std::min<std::uint64_t>(out.size(), size() - offset));
    offset += got;
    out = out.subspan(got);
  }
}

std::unique_ptr<ReadableFile> open_file(const fs::path& path) { return std::make_unique<PlainFile>(path); }

std::string read_whole_file(const ReadableFile& file, std::uint64_t max_bytes) {
  if (file.size() > max_bytes) {
    fail(ErrorCode::kInvalidFile, file.name(), " has ", file.size(), " bytes; at most ", max_bytes, " are expected");
  }
  std::string content(file.size(), '\0');
  file.read(0, std::as_writable_bytes(std::span(content)));
  return content;
}

std::string read_whole_file(const fs::path& path, std::uint64_t max_bytes) {
  return read_whole_file(PlainFile(path), max_bytes);
}

void copy_whole_file(const fs::path& from, const fs::path& to) {
  constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;
  const PlainFile file(from);
  AtomicFile copy(to);
  std::vector<std::byte> memory(std::min(file.size(), kPieceBytes));
  for (std::uint64_t done = 0; done < file.size();) {
    const std::span piece = std::span(memory).first(std::min<std::uint64_t>(memory.size(), file.size() - done));
    file.read(done, piece);
    copy.write(piece);
    done += piece.size();
  }
  copy.commit();
}

AtomicFile::AtomicFile(const fs::path& path) : path_(resolve_target(path)) {
  if (!path_.has_filename()) fail(ErrorCode::kInvalidArgument, "cannot write '", path.string(), "': it names no file");
  // Names are taken only by a crashed process that had the same number.
  constexpr int kMaxAttempts = 1000;
  for (int attempt = 0; !handle_.is_open(); ++attempt) {
    if (attempt == kMaxAttempts)
      fail(ErrorCode::kIo, "cannot write ", path_.string(), ": ", temporary_.string(), " exists");
    temporary_ = temporary_beside(path_, attempt);
    try {
      handle_ = FileHandle::create_new(temporary_);
    } catch (const Error& error) {
      fail(error.code(), "cannot write ", path_.string(), ": ", error.what());
    }
  }
}

AtomicFile::~AtomicFile() {
  if (temporary_.empty()) return;
  std::error_code ignored;
  fs::remove(temporary_, ignored);
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  ensure(handle_.is_open(), "write after commit to ", path_.string());
  handle_.write_all(bytes, path_);
  num_bytes_ += bytes.size();
}

void AtomicFile::commit() {
  ensure(handle_.is_open(), "second commit of ", path_.string());
  handle_.sync(path_);
  handle_.close(path_);
  rename_durably(temporary_, path_);
  temporary_.clear();
}

}  // namespace steadyflux
