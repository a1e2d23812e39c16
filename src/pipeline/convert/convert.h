// Models and components stored in other types, streamed from any form that can be read.
#pragma once

#include <cstdint>

#include "base/function_ref.h"
#include "pipeline/convert/options.h"
#include "pipeline/convert/report.h"

namespace steadyflux::convert {

// Told how much of the weights is done; false ends the conversion.
using Progress = FunctionRef<bool(std::uint64_t done_elements, std::uint64_t total_elements)>;

// Writes options.out, whole or not at all: a directory with everything that a model needs, or one component's file.
// Throws Error: kInvalidArgument for options that contradict each other or an output that is there already or inside
// the model, or name what would have no effect; kDoesNotFit when not even single rows fit options.ram_bytes, kIo when
// the disk has no room; what opening a model throws.
Report convert(const ConvertOptions& options, Progress progress);

}  // namespace steadyflux::convert
