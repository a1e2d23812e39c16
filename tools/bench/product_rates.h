// Products of integers of 8 bits at FLUX.1's sizes: Hopper's kernel beside cuBLASLt alone.
#pragma once

#include "cuda_bench.h"

namespace steadyflux::bench {

// Prints for each size milliseconds and TFLOP/s of cuBLASLt storing sums, and of the kernel with its epilogue, for
// clusters of two blocks and of one; on a card that is not Hopper's, of cuBLASLt only.
void print_product_rates(Bench& bench);

}  // namespace steadyflux::bench
