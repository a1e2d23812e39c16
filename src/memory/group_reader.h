// How the bytes of weight groups get from their files into memory.
//
// One read of up to kBytesPerRead at a time, straight from the disk into place: the kernel cuts it into requests of the
// size that the disk takes and has all of them in flight. Eight reads of 4 MiB in flight by io_uring, or four by
// threads, were no faster on a disk of 1 GB/s, while any copy on the way cost 15 % of the rate and, with 0.1 s of a
// core for each GB, thrice the processor time of the reading itself.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "format/weight_index.h"
#include "memory/group_layout.h"
#include "platform/page_region.h"

namespace steadyflux {

// Opens a file of an index to read groups from. The same signature serves tests that read from worse files.
using OpenForReading = std::function<std::shared_ptr<const ReadableFile>(const std::shared_ptr<const ReadableFile>&)>;

// Past the page cache, which is neither needed nor filled: what a budget promises must not depend on it.
std::shared_ptr<const ReadableFile> open_direct(const std::shared_ptr<const ReadableFile>& file);

// Through the page cache, by the handle that the index has. Where nothing is promised, it makes runs that follow each
// other start faster.
std::shared_ptr<const ReadableFile> open_cached(const std::shared_ptr<const ReadableFile>& file);

// Owns open files. Thread rule: reads by one thread at a time; cancel() and bytes_read() by any thread.
class GroupReader {
 public:
  static constexpr std::size_t kBytesPerRead = std::size_t{16} << 20;

  // Borrows `index` for as long as it lives. Throws Error(kInvalidFile) naming the file that is not the one any more
  // that the index was made of, and what `open` throws.
  GroupReader(const WeightIndex& index, const OpenForReading& open);

  // Fills `memory`, the group.num_bytes bytes of the group's memory, aligned to kDirectAlignment. False when it was
  // cancelled. Throws Error naming file and byte: kIo when the system refuses, kInvalidFile when the file ends early or
  // has changed since the index was made.
  [[nodiscard]] bool read(const GroupLayout& group, std::byte* memory);

  // The same for memory.size() bytes of the group's memory that begin `offset` bytes after its start, both multiples of
  // kDirectAlignment.
  [[nodiscard]] bool read_part(const GroupLayout& group, std::size_t offset, std::span<std::byte> memory);

  // Ends the read that is going on before its next piece, and all later ones.
  void cancel() { cancelled_ = true; }

  // By all reads so far: whole blocks, as asked of the files.
  std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  void read_piece(const FileRun& run, std::size_t begin, std::span<std::byte> memory);
  void read_blocks(const ReadableFile& file, std::uint64_t offset, std::span<std::byte> memory);
  void check_unchanged(std::uint32_t file, std::uint64_t offset) const;

  const WeightIndex& index_;
  std::vector<std::shared_ptr<const ReadableFile>> files_;
  PageRegion block_;  // the one after a piece that is shifted
  std::atomic<bool> cancelled_ = false;
  std::atomic<std::uint64_t> bytes_read_ = 0;
};

}  // namespace steadyflux
