// A graphics card played by the host: memory apart from the host's, queues of work that run by themselves, slow copies.
// It runs in every test what a real card needs of plans, stores and waits, and makes their mistakes visible:
//  * Addresses of device memory are not addresses of the process: host code that touches one stops at once.
//  * Memory holds 0xFF bytes, which are NaN in every floating-point type, when it is reserved, and a copy's destination
//    does until the copy is done. The copy reads the host's memory at its end.
//  * Work that touches memory outside every region, or of one that was given back, fails.
//  * Copies take only memory of reserve_host().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "backend/backend.h"

namespace steadyflux {

struct SimulatedOptions {
  std::uint64_t memory_bytes = std::uint64_t{1} << 30;
  std::uint64_t overhead_bytes = 0;    // of the memory, that the device keeps for itself
  double copy_bytes_per_second = 0;    // 0: as fast as the host copies
  double copy_latency_seconds = 0;     // before each copy begins
  double compute_latency_seconds = 0;  // before each operation begins
};

// The computing is done by a backend on the host that `make` gives; it is called twice, for a second that states
// scratch while the first is at work.
std::unique_ptr<Backend> make_simulated_device(const std::function<std::unique_ptr<Backend>()>& make,
                                               const SimulatedOptions& options = {});

}  // namespace steadyflux
