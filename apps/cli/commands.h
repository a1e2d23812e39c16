// The subcommands: each adds itself to the program and gives what to run when it was chosen.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace steadyflux::cli {

// Process exit codes; stable.
enum ExitCode : int { kDone = 0, kFailure = 1, kBadUsage = 2, kDoesNotFit = 3, kInterrupted = 130 };

// Runs a parsed subcommand; returns the exit code. Throws steadyflux::Error.
using Command = std::function<int()>;

Command add_generate(CLI::App& program);
Command add_encode(CLI::App& program);
Command add_plan(CLI::App& program);
Command add_ladder(CLI::App& program);
Command add_inspect(CLI::App& program);
Command add_convert(CLI::App& program);
Command add_bench(CLI::App& program);
Command add_doctor(CLI::App& program);

}  // namespace steadyflux::cli
