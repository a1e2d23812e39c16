// Progress on stderr: a bar on a terminal, plain lines otherwise.
#pragma once

#include <string>
#include <string_view>

#include "platform/interrupt.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux::cli {

// Prints phases, steps, seconds and memory; turns Ctrl-C into a cancelled run.
class Progress : public Observer {
 public:
  explicit Progress(bool quiet);

  void on_plan(const Plan& plan) override;
  void on_phase(std::string_view phase) override;
  void on_step(int step, int steps, double seconds, std::uint64_t process_bytes) override;
  void on_warning(std::string_view warning) override;
  bool cancelled() override { return interrupt_.interrupted(); }

  // Ends an unfinished bar, so that what follows starts on a line of its own.
  void finish_line();

 private:
  InterruptGuard interrupt_;
  bool quiet_;
  bool terminal_;
  bool line_open_ = false;
};

}  // namespace steadyflux::cli
