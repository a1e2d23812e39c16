// The subcommands of `steadyflux bench`.
#pragma once

#include "commands.h"

namespace steadyflux::cli {

Command add_bench_make_checkpoint(CLI::App& bench);
Command add_bench_gemm(CLI::App& bench);
Command add_bench_decode(CLI::App& bench);
Command add_bench_stability(CLI::App& bench);
Command add_bench_step(CLI::App& bench);
Command add_bench_stream(CLI::App& bench);
Command add_bench_weights(CLI::App& bench);

}  // namespace steadyflux::cli
