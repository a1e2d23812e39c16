// How long operations take on the device, by class.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>

#include "backend/cuda/handles.h"
#include "backend/profile.h"

namespace steadyflux::cuda {

// A stream's operations between two events each, read when nobody is kept from anything: when the profile is asked for,
// or when the events are needed again, by which time the device is long past them.
// Holds the events; borrows the stream. Thread rule: one thread.
class OpClock {
 public:
  explicit OpClock(cudaStream_t stream);

  // Around what an operation gives to the stream.
  void begin();
  void end(const ops::Op& op);

  // Of everything so far; waits for it.
  const Profile& profile();

 private:
  // More than a step of FLUX.1 has operations.
  static constexpr std::size_t kSlots = 2048;

  struct Slot {
    Owner<cudaEvent_t> begin = make_timed_event();
    Owner<cudaEvent_t> end = make_timed_event();
    ops::OpClass op_class = {};
    ops::Cost cost;
  };

  Slot& slot(std::size_t number) { return slots_[number % kSlots]; }
  void read_oldest();

  cudaStream_t stream_;
  std::array<Slot, kSlots> slots_;
  std::size_t num_ended_ = 0;  // operations, counted from the first
  std::size_t num_read_ = 0;
  Profile profile_;
};

}  // namespace steadyflux::cuda
