// A file that misbehaves on request, for tests of everything that reads.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "io/file.h"

namespace steadyflux {

struct Faults {
  std::uint64_t fail_every = 0;              // every k-th read is refused as by a broken disk; 0: none
  std::uint64_t max_bytes_per_read = 0;      // a read returns at most this many bytes; 0: no limit
  std::uint64_t end_at = ~std::uint64_t{0};  // the content ends here though size() says otherwise
  std::uint64_t garbage_every = 0;           // every k-th read returns inverted bytes; 0: none
};

// Passes reads on to another file, which it shares, adding faults. Reads are counted from 1 over all threads.
class FaultyFile final : public ReadableFile {
 public:
  FaultyFile(std::shared_ptr<const ReadableFile> file, Faults faults);

  const std::string& name() const override { return file_->name(); }
  std::uint64_t size() const override { return file_->size(); }
  FileIdentity identity() const override { return file_->identity(); }

  // How many reads the file has seen.
  std::uint64_t num_reads() const { return num_reads_.load(); }

 private:
  std::size_t read_some(std::uint64_t offset, std::span<std::byte> out) const override;

  std::shared_ptr<const ReadableFile> file_;
  Faults faults_;
  mutable std::atomic<std::uint64_t> num_reads_ = 0;
};

}  // namespace steadyflux
