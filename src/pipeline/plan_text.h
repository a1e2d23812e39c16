// Plans as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "steadyflux/steadyflux.h"

namespace steadyflux {

using Json = nlohmann::ordered_json;

// What is planned of a phase.
Json phase_plan_json(const PhaseReport& phase);

Json shortage_json(const MemoryShortage& shortage);

// Prompts are checked to be UTF-8 before they are encoded; whatever else reaches a report must not break it.
std::string dump_json(const Json& json);

}  // namespace steadyflux
