// Progress on stderr: a line that is kept up to date on a terminal, plain lines otherwise.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>

#include "platform/interrupt.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux::cli {

// What the process holds beside what the plan says, for one line: "7.12 of 7.30 GiB", and what the system suffers, if
// anything: "swapped 120 MiB", "13 % waiting for memory".
std::string memory_words(const MemoryUse& use);

// Prints phases, steps, seconds and memory; turns Ctrl-C into a cancelled run.
class Progress : public Observer {
 public:
  explicit Progress(bool quiet);

  void on_plan(const Plan& plan) override;
  void on_phase(std::string_view phase) override;
  void on_memory(const MemoryUse& use) override;
  void on_step(int step, int steps, double seconds, std::uint64_t process_bytes) override;
  void on_warning(std::string_view warning) override;
  bool cancelled() override { return interrupt_.interrupted(); }

  // Ends an unfinished line, so that what follows starts on a line of its own.
  void finish_line();

 private:
  using Clock = std::chrono::steady_clock;

  void draw();

  InterruptGuard interrupt_;
  bool quiet_;
  bool terminal_;
  bool line_open_ = false;
  std::string phase_;
  std::string step_;                              // what is known of the last step, for the line
  std::map<std::string, std::uint64_t> planned_;  // bytes of each phase
  MemoryUse memory_;
  Clock::time_point drawn_ = {};
};

}  // namespace steadyflux::cli
