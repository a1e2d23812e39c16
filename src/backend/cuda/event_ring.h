// Points in a stream, counted: what Event's numbers mean on a CUDA device.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "backend/cuda/handles.h"

namespace steadyflux::cuda {

// Numbers from 1 on for the points of one stream, the latest kSlots of which have a CUDA event. An older point has been
// reached whenever the one has that took its place: that came later in the same stream. Waiting for it is waiting a
// little too long, and never in a circle, since everything waited for was given to the device before.
// Holds the events; borrows the stream. Thread rule: any thread.
class EventRing {
 public:
  explicit EventRing(cudaStream_t stream);

  // Marks the end of the work given to the stream so far. A failure is thrown by the next wait.
  std::uint64_t record() noexcept;
  // Returns when the point is reached. Throws Error(kInternal) when the work before it failed.
  void wait(std::uint64_t number) const;
  // Work given to `other` from now on begins when the point is reached.
  void wait_on(cudaStream_t other, std::uint64_t number) const;

 private:
  static constexpr std::size_t kSlots = 256;

  cudaEvent_t event_of(std::uint64_t number) const { return events_[number % kSlots].get(); }
  void rethrow() const { check(failure_.load(), "cudaEventRecord"); }

  cudaStream_t stream_;
  std::array<Owner<cudaEvent_t>, kSlots> events_;
  std::mutex mutex_;  // numbers are in the order in which their events were recorded
  std::uint64_t last_ = 0;
  std::atomic<cudaError_t> failure_ = cudaSuccess;
};

}  // namespace steadyflux::cuda
