#include "backend/cuda/event_ring.h"

namespace steadyflux::cuda {

EventRing::EventRing(cudaStream_t stream) : stream_(stream) {
  for (Owner<cudaEvent_t>& each : events_) each = make_event();
}

std::uint64_t EventRing::record() noexcept {
  const std::lock_guard lock(mutex_);
  const std::uint64_t number = last_ + 1;
  const cudaError_t status = cudaEventRecord(event_of(number), stream_);
  if (status != cudaSuccess) failure_ = status;
  last_ = number;
  return number;
}

void EventRing::wait(std::uint64_t number) const {
  rethrow();
  if (number > 0) check(cudaEventSynchronize(event_of(number)), "cudaEventSynchronize");
}

void EventRing::wait_on(cudaStream_t other, std::uint64_t number) const {
  rethrow();
  if (number > 0) check(cudaStreamWaitEvent(other, event_of(number), 0), "cudaStreamWaitEvent");
}

}  // namespace steadyflux::cuda
