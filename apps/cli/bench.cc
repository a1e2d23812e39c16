// steadyflux bench: figures of this machine.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench_commands.h"

namespace steadyflux::cli {

Command add_bench(CLI::App& program) {
  CLI::App* bench = program.add_subcommand("bench", "Measure this machine");
  bench->require_subcommand(1);
  std::vector<std::pair<std::string, Command>> commands;
  commands.emplace_back("make-checkpoint", add_bench_make_checkpoint(*bench));
  commands.emplace_back("gemm", add_bench_gemm(*bench));
  commands.emplace_back("decode", add_bench_decode(*bench));
  commands.emplace_back("step", add_bench_step(*bench));
  commands.emplace_back("stability", add_bench_stability(*bench));
  commands.emplace_back("stream", add_bench_stream(*bench));
  commands.emplace_back("weights", add_bench_weights(*bench));
  return [bench, commands] {
    for (const auto& [name, command] : commands) {
      if (bench->got_subcommand(name)) return command();
    }
    return static_cast<int>(kBadUsage);
  };
}

}  // namespace steadyflux::cli
