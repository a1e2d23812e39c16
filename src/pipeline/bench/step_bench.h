// How long a denoising step takes, beside what its matrix products take at the library's best rate.
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.h"
#include "backend/measure/measure_backend.h"
#include "pipeline/bench/gemm_probe.h"
#include "pipeline/carried.h"
#include "pipeline/job.h"
#include "pipeline/open_model.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux::bench {

// Throws Error(kInvalidArgument) when the request leaves the size to a budget, which a measurement has none of.
void refuse_auto_size(const Request& request);

// A job of `num_steps` steps for as many pictures as `request` asks for, of the size and text length that it has, if
// any; of the rest of it nothing counts. It begins with prompt embeddings: no encoder is needed. Throws
// Error(kInvalidArgument) as make_job does.
Job make_step_job(const OpenModel& model, const EngineOptions& options, const Request& request, int num_steps);

// Embeddings of no prompt, for a job that begins with them.
Carried made_up_embeds(const OpenModel& model, const Job& job);

// The processor as the device to measure.
std::unique_ptr<Backend> processor_backend(int num_threads);

// Everything that one denoising step of `job` asks of `backend`. Nothing is computed.
Trace trace_of_step(Backend& backend, const OpenModel& model, const Job& job);

struct StepRound {
  double step_seconds = 0;
  double gemm_seconds = 0;  // of the step's linear layers at the rate the library had just after it; 0 without a probe
  Profile profile;          // of the step's operations
};

// Runs every step of `job` with made-up embeddings; after each, one round of `probe`, if there is one. The first step
// and round warm up and are left out. Nothing is encoded or decoded. Ends early, with the rounds so far, when
// `observer` cancels.
std::vector<StepRound> time_steps(Backend& backend, const OpenModel& model, const Job& job, GemmProbe* probe,
                                  Observer& observer);

}  // namespace steadyflux::bench
