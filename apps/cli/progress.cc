#include "progress.h"

#include <algorithm>
#include <cstdio>

#include "base/bytes.h"
#include "platform/terminal.h"

namespace steadyflux::cli {
namespace {

constexpr int kMaxBarWidth = 40;
constexpr int kTextWidth = 48;  // columns that step, seconds and memory take beside the bar

std::string bar(int step, int steps) {
  const int width = std::clamp(terminal_width(OutputStream::kStderr) - kTextWidth, 10, kMaxBarWidth);
  const int filled = width * step / steps;
  return "[" + std::string(static_cast<std::size_t>(filled), '#') +
         std::string(static_cast<std::size_t>(width - filled), ' ') + "]";
}

}  // namespace

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(is_terminal(OutputStream::kStderr)) {}

void Progress::on_plan(const Plan& plan) {
  if (quiet_) return;
  std::fprintf(stderr, "plan: %dx%d, %d steps, peak %s\n", plan.width, plan.height, plan.steps,
               format_bytes(plan.peak_bytes).c_str());
}

void Progress::on_phase(std::string_view phase) {
  if (quiet_) return;
  finish_line();
  std::fprintf(stderr, "%.*s …\n", static_cast<int>(phase.size()), phase.data());
}

void Progress::on_step(int step, int steps, double seconds, std::uint64_t process_bytes) {
  if (quiet_) return;
  const std::string memory = format_bytes(process_bytes);
  if (terminal_) {
    std::fprintf(stderr, "\r%s step %d/%d  %.2f s/step  %s ", bar(step, steps).c_str(), step, steps, seconds,
                 memory.c_str());
    line_open_ = true;
    if (step == steps) finish_line();
  } else {
    std::fprintf(stderr, "step %d/%d  %.2f s  %s\n", step, steps, seconds, memory.c_str());
  }
}

void Progress::on_warning(std::string_view warning) {
  finish_line();
  std::fprintf(stderr, "warning: %.*s\n", static_cast<int>(warning.size()), warning.data());
}

void Progress::finish_line() {
  if (line_open_) std::fputc('\n', stderr);
  line_open_ = false;
}

}  // namespace steadyflux::cli
