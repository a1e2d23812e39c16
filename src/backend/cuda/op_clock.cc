#include "backend/cuda/op_clock.h"

#include "backend/cuda/check.h"

namespace steadyflux::cuda {

OpClock::OpClock(cudaStream_t stream) : stream_(stream) {}

void OpClock::begin() {
  if (num_ended_ - num_read_ == kSlots) read_oldest();
  check(cudaEventRecord(slot(num_ended_).begin.get(), stream_), "cudaEventRecord");
}

void OpClock::end(const ops::Op& op) {
  Slot& slot = this->slot(num_ended_);
  slot.op_class = ops::op_class(op);
  slot.cost = ops::cost(op);
  check(cudaEventRecord(slot.end.get(), stream_), "cudaEventRecord");
  ++num_ended_;
}

const Profile& OpClock::profile() {
  while (num_read_ < num_ended_) read_oldest();
  return profile_;
}

void OpClock::read_oldest() {
  const Slot& slot = this->slot(num_read_);
  check(cudaEventSynchronize(slot.end.get()), "cudaEventSynchronize");
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, slot.begin.get(), slot.end.get()), "cudaEventElapsedTime");
  ++num_read_;
  ClassProfile& sum = profile_.of(slot.op_class);
  ++sum.calls;
  sum.seconds += static_cast<double>(milliseconds) * 1e-3;
  sum.cost.flops += slot.cost.flops;
  sum.cost.bytes += slot.cost.bytes;
}

}  // namespace steadyflux::cuda
