// The config.json that goes with a converted component.
#pragma once

#include <string>

#include "pipeline/convert/output_plan.h"
#include "pipeline/open_model.h"

namespace steadyflux::convert {

// The model's own, or what a transformer from elsewhere has shown; with what bitsandbytes' loaders must know
// of nf4 and fp4, and without it otherwise.
std::string component_config(const OpenModel& model, const OutputPlan& plan);

}  // namespace steadyflux::convert
