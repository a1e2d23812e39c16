#include "commands.h"

namespace steadyflux::cli {
Command add_bench(CLI::App& program) {
  program.add_subcommand("bench", "Measure");
  return [] { return kBadUsage; };
}
}  // namespace steadyflux::cli
