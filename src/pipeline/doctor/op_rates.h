// How fast operations and memory are on this machine, by doing them.
#pragma once

#include "backend/backend.h"
#include "memory/rates.h"

namespace steadyflux::doctor {

// What `backend` reaches with activations of one dtype, weights of the same, on shapes of FLUX.1 at 512x512. Each of
// five kinds of work is repeated for about `seconds` after a first run that is left out. Takes some 60 MiB of the
// device's memory.
OpRates measure_op_rates(Backend& backend, DType activations, double seconds);

// Bytes a second that weights are copied at from host memory to a discrete device's, two buffers in turn.
double measure_device_copy_rate(Backend& backend, double seconds);

// Bytes a second of memory taken from the system for the first time.
double measure_touch_rate();

// Bytes a second, read and written counted both, that `num_threads` threads copy in memory larger than caches.
double measure_copy_rate(int num_threads, double seconds);

}  // namespace steadyflux::doctor
