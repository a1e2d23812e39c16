#include "progress.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/bytes.h"
#include "platform/terminal.h"

namespace steadyflux::cli {
namespace {

constexpr int kMaxBarWidth = 30;
constexpr int kTextWidth = 70;  // columns that step, seconds and memory take beside the bar
constexpr auto kRedraw = std::chrono::milliseconds(500);

// Less is seen on any system that has swap, or that has just been busy.
constexpr std::uint64_t kSwapWorthTelling = std::uint64_t{1} << 20;
constexpr double kStallWorthTelling = 0.02;

std::string bar(int step, int steps) {
  const int width = std::clamp(terminal_width(OutputStream::kStderr) - kTextWidth, 5, kMaxBarWidth);
  const int filled = width * step / steps;
  return "[" + std::string(static_cast<std::size_t>(filled), '#') +
         std::string(static_cast<std::size_t>(width - filled), ' ') + "]";
}

std::string two_decimals(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f", value);
  return text;
}

}  // namespace

std::string memory_words(const MemoryUse& use) {
  std::string words = format_bytes(use.current_bytes);
  if (use.planned_bytes > 0) words += " of " + format_bytes(use.planned_bytes);
  const std::uint64_t swapped = use.swap_in_bytes + use.swap_out_bytes;
  if (swapped >= kSwapWorthTelling) words += ", swapped " + format_bytes(swapped);
  if (use.memory_stall_share >= kStallWorthTelling) {
    words += ", " + std::to_string(std::lround(use.memory_stall_share * 100)) + " % waiting for memory";
  }
  return words;
}

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(is_terminal(OutputStream::kStderr)) {}

void Progress::on_plan(const Plan& plan) {
  if (quiet_) return;
  planned_.clear();
  for (const PhaseReport& phase : plan.phases) planned_[phase.name] = phase.planned_peak_bytes;
  std::fprintf(stderr, "plan: %dx%d, %d steps, peak %s\n", plan.width, plan.height, plan.steps,
               format_bytes(plan.peak_bytes).c_str());
}

void Progress::on_phase(std::string_view phase) {
  if (quiet_) return;
  finish_line();
  phase_ = phase;
  step_.clear();
  memory_ = {};
  memory_.planned_bytes = planned_[phase_];
  if (!terminal_) std::fprintf(stderr, "%s …\n", phase_.c_str());
  draw();
}

void Progress::on_memory(const MemoryUse& use) {
  memory_ = use;
  if (Clock::now() - drawn_ >= kRedraw) draw();
}

void Progress::on_step(int step, int steps, double seconds, std::uint64_t process_bytes) {
  if (quiet_) return;
  memory_.current_bytes = process_bytes;
  if (terminal_) {
    step_ = " " + bar(step, steps) + " step " + std::to_string(step) + "/" + std::to_string(steps) + "  " +
            two_decimals(seconds) + " s/step";
    draw();
  } else {
    std::fprintf(stderr, "step %d/%d  %.2f s  %s\n", step, steps, seconds, memory_words(memory_).c_str());
  }
}

void Progress::draw() {
  if (quiet_ || !terminal_) return;
  drawn_ = Clock::now();
  const std::string memory = memory_.current_bytes > 0 ? memory_words(memory_) : std::string("…");
  // Erases what a longer line left.
  std::fprintf(stderr, "\r%s%s  %s\033[K", phase_.c_str(), step_.c_str(), memory.c_str());
  line_open_ = true;
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
