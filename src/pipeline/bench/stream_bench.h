// How fast weights come from disk, and what a denoising step pays for it.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/backend.h"
#include "memory/residency.h"
#include "pipeline/job.h"
#include "pipeline/open_model.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux::bench {

// One after the other on the same machine: a machine that is slow for a while is slow for all four.
struct StreamRound {
  double disk_bytes_per_second = 0;    // the same parts of the files by direct reads and nothing else
  double stream_bytes_per_second = 0;  // the streamed groups in their order, with nothing to compute
  double resident_seconds = 0;         // a step with every group in memory
  double streamed_seconds = 0;         // the same step with the groups that the residency streams
};

struct StreamFigures {
  std::uint64_t pass_bytes = 0;  // read from disk on every pass over the transformer
  std::vector<StreamRound> rounds;

  // What reading a pass takes at the disk's rate of that round.
  double read_seconds(const StreamRound& round) const {
    return static_cast<double>(pass_bytes) / round.disk_bytes_per_second;
  }
};

// Denoises `job`, whose images share every pass, four steps a round: two with everything in memory, two with
// `residency`. The second of each is timed, so that what the change between them costs or spares does not count. Needs
// memory for both. `residency` streams something. Ends early, with the rounds so far, when `observer` cancels.
StreamFigures time_streaming(Backend& backend, const OpenModel& model, const Job& job, const Residency& residency,
                             Observer& observer);

// Steps of a job of `rounds` rounds.
constexpr int stream_steps(int rounds) { return 4 * rounds; }

}  // namespace steadyflux::bench
