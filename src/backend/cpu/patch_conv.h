// Convolution as matrix products of gathered patches.
#pragma once

#include "backend/cpu/context.h"
#include "ops/ops.h"

namespace steadyflux::cpu {

// What a pixel's result is does not depend on where it lies, nor on the height of the image: every product has the same
// shape, so bands computed one by one give the bits of the whole.
std::size_t patch_conv_scratch_bytes(Context& context, const ops::Conv2d& op);
void run_patch_conv(Context& context, const ops::Conv2d& op, Arena& scratch);

}  // namespace steadyflux::cpu
