// For each operation, how far each element of its outputs may be off.
#pragma once

#include <vector>

#include "ops/ops.h"

namespace steadyflux::conformance {

// The error, before the result is rounded to its dtype, of each element of each of outputs_of(op), in row-major order.
// Read from the operation's inputs in host memory, before it runs. Zero where the contract leaves no freedom: equal
// bits are expected.
std::vector<std::vector<double>> error_bounds(const ops::Op& op);

}  // namespace steadyflux::conformance
