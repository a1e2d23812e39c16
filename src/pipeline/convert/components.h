// The components of an opened model, one like the other.
#pragma once

#include <array>
#include <vector>

#include "format/dialect/dialect.h"
#include "memory/lease.h"
#include "pipeline/open_model.h"

namespace steadyflux::convert {

inline constexpr std::array kComponents = {Component::kTransformer, Component::kClip, Component::kT5,
                                           Component::kAutoencoder};

// Every weight of the component, sorted by name: one block after the other, as they will be read. Encoders must be
// open.
std::vector<WeightSpec> weights_of(const OpenModel& model, Component component);

// Where the component's weights are. Encoders must be open.
const WeightIndex& index_of(const OpenModel& model, Component component);

}  // namespace steadyflux::convert
