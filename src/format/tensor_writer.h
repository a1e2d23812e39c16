// Files of tensors that are written one tensor after another, whatever the container.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace steadyflux {

// Holds no tensor. Thread rule: one thread at a time.
class TensorWriter {
 public:
  virtual ~TensorWriter() = default;

  // Appends the next bytes of tensor `name`: all of them or a part. The tensors come in the order that was given to the
  // writer, each complete before the next begins. Throws Error(kInternal) when the caller breaks this, and what
  // AtomicFile throws.
  virtual void write(std::string_view name, std::span<const std::byte> bytes) = 0;

  // Makes the file visible. Error(kInternal) when bytes are missing.
  virtual void commit() = 0;
};

// The tensors of a file that is being written, in order, and how far it is.
class PendingTensors {
 public:
  void add(std::string name, std::uint64_t num_bytes) { pending_.push_back({std::move(name), num_bytes}); }

  // Notes that `count` bytes of tensor `name` are written. Returns whether these are its first.
  bool advance(std::string_view name, std::uint64_t count);
  // Throws Error(kInternal) when bytes are missing.
  void check_complete() const;

 private:
  struct Pending {
    std::string name;
    std::uint64_t remaining_bytes = 0;
    bool begun = false;
  };

  std::vector<Pending> pending_;
  std::size_t next_ = 0;
};

}  // namespace steadyflux
