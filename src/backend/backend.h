// What a device can do: run operations, hold memory, move bytes. The one interface between models and hardware.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "ops/ops.h"

namespace steadyflux {

// Memory of a device, given back when destroyed. Touched when it is made, so that it can fail only then.
class Region {
 public:
  virtual ~Region() = default;
  Region() = default;
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  virtual std::byte* data() const = 0;
  virtual std::size_t size_bytes() const = 0;
};

// A point in a backend's stream of work. 0 has always been reached.
using Event = std::uint64_t;

// Runs operations in the order they are given.
// Holds its threads, compiled kernels and tables; borrows every tensor for the length of a call (of the stream, where
// work is asynchronous: until an Event recorded after it has been reached).
// Thread rule: one thread.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string_view name() const = 0;

  // Bytes of scratch that run(op) needs. Depends on shapes, dtypes and strides only, not on addresses. May prepare
  // kernels, so that run() finds them made.
  virtual std::size_t scratch_bytes(const ops::Op& op) = 0;

  // Computes op, which satisfies ops::check. `scratch` has scratch_bytes(op) bytes aligned to Arena::kAlignment; its
  // content is meaningless before and after. Throws Error(kInternal) when a kernel fails.
  virtual void run(const ops::Op& op, std::span<std::byte> scratch) = 0;

  // A region of exactly `bytes` (0 gives an empty one), aligned to Arena::kAlignment. Throws Error(kIo) when the device
  // has no room.
  virtual std::unique_ptr<Region> reserve(std::size_t bytes) = 0;

  // Copies between host memory and a contiguous tensor; sizes must be equal. download() waits for the work before it.
  virtual void upload(std::span<const std::byte> host, const Tensor& tensor) = 0;
  virtual void download(const Tensor& tensor, std::span<std::byte> host) = 0;

  // Marks the end of the work given so far; wait() returns when it is done.
  virtual Event record() = 0;
  virtual void wait(Event event) = 0;
};

}  // namespace steadyflux
