// Plans and results as the public structs, and the text that goes into picture files.
#pragma once

#include <string>
#include <vector>

#include "backend/profile.h"
#include "memory/monitor.h"
#include "pipeline/job.h"
#include "pipeline/planner.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux {

// The plan of a job in public words, with predicted seconds; a shortfall is left to the caller.
Plan public_plan(const RequestPlan& plan, const Job& job, const PlanSettings& settings);

// Adds what was measured; phases that did not run keep zeros.
void add_measured(const std::vector<PhaseUse>& used, std::vector<PhaseReport>& phases);

// The classes that ran.
std::vector<OperationReport> operation_reports(const Profile& profile);

// "prompt\nNegative prompt: …\nSteps: 8, …": the form that image browsers and other tools of the field read back.
std::string parameters_text(const OpenModel& model, const Job& job, const ImageJob& image);

}  // namespace steadyflux
