// What a device can do: run operations, hold memory, move bytes. The one interface between models and hardware.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "backend/profile.h"
#include "ops/ops.h"

namespace steadyflux {

// Memory of a device or of the host, given back when destroyed; the work that uses it must be done by then. Touched
// when it is made, so that it can fail only then.
class Region {
 public:
  virtual ~Region() = default;
  Region() = default;
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  virtual std::byte* data() const = 0;
  virtual std::size_t size_bytes() const = 0;
};

// The queues of a device. Work of one queue is done in the order in which it was given, the queues side by side.
enum class Stream : std::uint8_t {
  kCompute,  // run, upload, download
  kCopy,     // copy_async
};

// A point in a stream, reached when all work given to the stream before it is done. Event{} has always been reached.
struct Event {
  Stream stream = Stream::kCompute;
  std::uint64_t number = 0;
};

// What is held of a discrete device's memory.
struct DeviceMemory {
  std::uint64_t capacity_bytes = 0;       // that the device has; 0 where its memory is the host's
  std::uint64_t overhead_bytes = 0;       // an upper bound for the backend itself: context, libraries
  std::uint64_t reserved_bytes = 0;       // by regions of reserve() alive now
  std::uint64_t host_overhead_bytes = 0;  // an upper bound for driver and libraries in the process's own memory
};

// Runs operations in the order they are given.
// Holds its threads, compiled kernels and tables. Borrows each op for the length of its call, and the memory of its
// tensors until an Event recorded after the call has been reached.
// A failure of work that is done later is thrown by the next call that waits for it: wait() or download().
// Thread rule: one thread; copy_async, record, wait and wait_on may also be called by a second one.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string_view name() const = 0;

  // Names everything about the device that the bits of its results depend on: kernels, libraries, instruction sets.
  virtual std::string arithmetic() const { return std::string(name()); }

  // Whether the device has memory of its own, at addresses that no host code may touch. Otherwise reserve() gives host
  // memory, and weights can be read straight into it.
  virtual bool is_discrete() const = 0;
  virtual DeviceMemory device_memory() const = 0;

  // Bytes of scratch that run(op) needs. Depends on shapes, dtypes and strides only, not on addresses; fewer rows never
  // need more, so that a plan for the longest prompt holds for all. May prepare kernels, so that run() finds them made.
  virtual std::size_t scratch_bytes(const ops::Op& op) = 0;

  // Computes op, which satisfies ops::check. `scratch` has scratch_bytes(op) bytes aligned to Arena::kAlignment; its
  // content is meaningless before and after. Throws Error(kInternal) when a kernel fails.
  virtual void run(const ops::Op& op, std::span<std::byte> scratch) = 0;

  // How long the operations took that run() has been given since the backend was made; waits for them. Zeros where the
  // backend does not time its work.
  virtual Profile profile() { return {}; }

  // A region of exactly `bytes` (0 gives an empty one), aligned to Arena::kAlignment. Throws Error(kIo) when the device
  // has no room.
  virtual std::unique_ptr<Region> reserve(std::size_t bytes) = 0;

  // Host memory that copy_async reads at the full rate: aligned to pages and locked in place where the device asks for
  // it, and counted among the process's bytes. Otherwise as reserve().
  virtual std::unique_ptr<Region> reserve_host(std::size_t bytes) = 0;

  // Copies between host memory and a contiguous tensor; sizes must be equal. Host memory is borrowed for the call;
  // download() waits for the work before it.
  virtual void upload(std::span<const std::byte> host, const Tensor& tensor) = 0;
  virtual void download(const Tensor& tensor, std::span<std::byte> host) = 0;

  // Begins to copy memory of reserve_host() to the device and does not wait; the result is reached when the copy is
  // done. Until then `host` must not change and the host.size() bytes at `device` not be used. Either may have any
  // alignment.
  virtual Event copy_async(std::span<const std::byte> host, std::byte* device) = 0;

  // Marks the end of the work given to a stream so far.
  virtual Event record(Stream stream) noexcept = 0;
  // Returns when the event is reached.
  virtual void wait(Event event) = 0;
  // Work given to `stream` from now on begins when the event is reached; the caller goes on at once.
  virtual void wait_on(Stream stream, Event event) = 0;
};

}  // namespace steadyflux
