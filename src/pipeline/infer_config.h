// The configuration of a transformer whose file has none: what its weights show.
#pragma once

#include <optional>

#include "format/weight_index.h"
#include "model/flux/flux.h"

namespace steadyflux {

// `index` has canonical names. `similar` is the configuration of a like model, for what no weight shows: how the width
// of a head is divided among the axes of positions. Without it, heads are 128 wide and divided as in all FLUX.1 models.
// Throws Error: kNotFound naming a weight that every transformer has, kInvalidFile when shapes contradict each other,
// kUnsupported when there is no `similar` configuration of heads as wide.
FluxConfig infer_flux_config(const WeightIndex& index, const std::optional<FluxConfig>& similar);

}  // namespace steadyflux
