// How fast a machine is, for predicting how long a plan takes.
#pragma once

#include <span>

#include "base/dtype.h"

namespace steadyflux {

// What operations with activations of one dtype reach. All per second.
struct OpRates {
  double linear_flops = 0;
  double int8_flops = 0;  // linear layers in integers of 8 bits
  double attention_flops = 0;
  double conv_flops = 0;
  double other_bytes = 0;  // memory traffic of everything else
};

struct Rates {
  OpRates f32;
  OpRates bf16;
  double disk_bytes = 0;   // direct reads
  double copy_bytes = 0;   // from the host to a discrete device; 0 where its memory is the host's
  double touch_bytes = 0;  // memory taken from the system for the first time

  const OpRates& of(DType activations) const { return activations == DType::kBF16 ? bf16 : f32; }
};

// Of each rate the middle value (of an even number, the larger of the two). `rates` is not empty.
Rates median_rates(std::span<const Rates> rates);

// Of a desktop with AVX2 and an NVMe disk. Choices between plans rest on these alone, so that a request is placed the
// same on every run and every machine with equal budgets and threads; measured rates only change predicted seconds.
Rates default_rates(int threads);

}  // namespace steadyflux
