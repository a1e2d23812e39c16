// Attention by blocks of queries and chunks of keys, with a running softmax.
#pragma once

#include "backend/cpu/context.h"
#include "ops/ops.h"

namespace steadyflux::cpu {

std::size_t scratch_bytes(Context& context, const ops::Attention& op);
void run(Context& context, const ops::Attention& op, Arena& scratch);

}  // namespace steadyflux::cpu
