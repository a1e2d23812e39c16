// Convolution: the way that suits it.
#pragma once

#include "backend/cpu/context.h"
#include "ops/ops.h"

namespace steadyflux::cpu {

// Bands computed one by one have the bits of the whole (Conv2d::first_row).
std::size_t scratch_bytes(Context& context, const ops::Conv2d& op);
void run(Context& context, const ops::Conv2d& op, Arena& scratch);

}  // namespace steadyflux::cpu
