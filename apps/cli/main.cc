// The command `steadyflux`.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "commands.h"
#include "platform/process.h"
#include "steadyflux/steadyflux.h"

namespace {

using steadyflux::Error;
using steadyflux::ErrorCode;
using namespace steadyflux::cli;

int run(int argc, char** argv) {
  CLI::App program("FLUX.1 text-to-image generation inside a known amount of memory", "steadyflux");
  program.set_version_flag("--version", std::string(steadyflux::version()));
  program.require_subcommand(0, 1);

  std::vector<std::pair<std::string, Command>> commands;
  commands.emplace_back("generate", add_generate(program));
  commands.emplace_back("encode", add_encode(program));
  commands.emplace_back("plan", add_plan(program));
  commands.emplace_back("ladder", add_ladder(program));
  commands.emplace_back("inspect", add_inspect(program));
  commands.emplace_back("convert", add_convert(program));
  commands.emplace_back("bench", add_bench(program));
  commands.emplace_back("doctor", add_doctor(program));

  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? kDone : kBadUsage;
  }
  for (const auto& [name, command] : commands) {
    if (program.got_subcommand(name)) return command();
  }
  std::cerr << "A subcommand is required\n" << program.help();
  return kBadUsage;
}

int exit_code_of(ErrorCode code) {
  if (code == ErrorCode::kInvalidArgument) return kBadUsage;
  return code == ErrorCode::kDoesNotFit ? kDoesNotFit : kFailure;
}

// Data that never reached stdout, because its disk is full for instance, is a failure even if all else went well.
int flush_data(int exit_code) {
  if (std::cout.flush() && std::fflush(stdout) == 0) return exit_code;
  std::cerr << "steadyflux: cannot write to standard output\n";
  return exit_code == kDone ? int{kFailure} : exit_code;
}

constexpr const char* kOutOfMemory = "steadyflux: the system has no memory left for the program itself\n";

// Destructors that need memory, as the JSON library's do, cannot say so by an exception: the program ends in them.
// What is being written then has a hidden name of its own, but there is none while JSON is made or taken apart.
[[noreturn]] void end_in_words() {
  if (std::current_exception()) {
    try {
      throw;
    } catch (const std::bad_alloc&) {
      std::fputs(kOutOfMemory, stderr);
      std::_Exit(kFailure);
    } catch (...) {
      std::fputs("steadyflux: unexpected failure where none can be handled\n", stderr);
    }
  }
  std::abort();
}

}  // namespace

int main(int argc, char** argv) {
  steadyflux::limit_malloc_arenas();
  steadyflux::ignore_file_size_signal();
  std::set_terminate(end_in_words);
  try {
    return flush_data(run(argc, argv));
  } catch (const Error& error) {
    std::cerr << "steadyflux: " << error.what() << '\n';
    return exit_code_of(error.code());
  } catch (const std::bad_alloc&) {
    std::cerr << kOutOfMemory;
    return kFailure;
  } catch (const std::exception& error) {
    std::cerr << "steadyflux: unexpected failure: " << error.what() << '\n';
    return kFailure;
  }
}
