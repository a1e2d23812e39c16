#include "memory/group_reader.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "io/direct_file.h"

namespace steadyflux {

std::shared_ptr<const ReadableFile> open_direct(const std::shared_ptr<const ReadableFile>& file) {
  return open_direct_file(file->name());
}

std::shared_ptr<const ReadableFile> open_cached(const std::shared_ptr<const ReadableFile>& file) { return file; }

GroupReader::GroupReader(const WeightIndex& index, const OpenForReading& open)
    : index_(index), block_(kDirectAlignment) {
  for (std::uint32_t i = 0; i < index.files().size(); ++i) {
    files_.push_back(open(index.files()[i]));
    check_unchanged(i, 0);
  }
}

bool GroupReader::read(const GroupLayout& group, std::byte* memory) {
  return read_part(group, 0, {memory, group.num_bytes});
}

bool GroupReader::read_part(const GroupLayout& group, std::size_t offset, std::span<std::byte> memory) {
  for (const FileRun& run : group.runs) {
    std::size_t at = std::max(offset, run.offset);
    const std::size_t end = std::min(offset + memory.size(), run.offset + run.num_bytes);
    while (at < end) {
      if (cancelled_) return false;
      const std::size_t count = std::min(end - at, kBytesPerRead);
      read_piece(run, at - run.offset, memory.subspan(at - offset, count));
      at += count;
    }
  }
  return true;
}

// Bytes of the run's image from `begin` on.
void GroupReader::read_piece(const FileRun& run, std::size_t begin, std::span<std::byte> memory) {
  const ReadableFile& file = *files_[run.file];
  const std::uint64_t offset = run.file_offset + begin;
  read_blocks(file, offset, memory);
  if (run.shift > 0) {
    const std::size_t kept = memory.size() - run.shift;
    std::memmove(memory.data(), memory.data() + run.shift, kept);
    read_blocks(file, offset + memory.size(), block_.bytes().first(kDirectAlignment));
    std::memcpy(memory.data() + kept, block_.data(), run.shift);
  }
  check_unchanged(run.file, offset);
}

void GroupReader::read_blocks(const ReadableFile& file, std::uint64_t offset, std::span<std::byte> memory) {
  file.read_blocks(offset, memory);
  bytes_read_ += memory.size();
}

void GroupReader::check_unchanged(std::uint32_t file, std::uint64_t offset) const {
  const FileIdentity& expected = index_.identities()[file];
  const FileIdentity found = files_[file]->identity();
  // The time of change is left out: it also tells of new permissions and names, and of a file that was deleted, whose
  // content stays as long as it is open.
  const bool replaced = found.inode != expected.inode || found.device != expected.device;
  if (!replaced && found.size_bytes == expected.size_bytes && found.modified_ns == expected.modified_ns) return;
  fail(ErrorCode::kInvalidFile, files_[file]->name(), replaced ? " was replaced" : " was changed",
       " since the model was opened (noticed at byte ", offset, "; it had ", expected.size_bytes,
       " bytes then and has ", found.size_bytes, " now); let nothing write to a model that is in use, and start again");
}

}  // namespace steadyflux
