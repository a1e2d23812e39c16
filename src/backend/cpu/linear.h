// Linear layers of one input: tiles of rows x columns, each one product and one epilogue.
#pragma once

#include "backend/cpu/context.h"
#include "ops/ops.h"

namespace steadyflux::cpu {

std::size_t scratch_bytes(Context& context, const ops::LinearMany& op);
void run(Context& context, const ops::LinearMany& op, Arena& scratch);

}  // namespace steadyflux::cpu
