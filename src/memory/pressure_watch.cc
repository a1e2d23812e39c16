#include "memory/pressure_watch.h"

#include <cmath>
#include <string>
#include <utility>

#include "base/bytes.h"

namespace steadyflux {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

// Idle pages of other programs trickle to and from swap on any machine that has it.
constexpr std::uint64_t kSwapTrafficBytes = 16 * kMiB;
constexpr std::uint64_t kOwnSwapBytes = kMiB;

// Taking memory from a full page cache stalls for a moment; only what lasts is worth words.
constexpr double kWindowSeconds = 5;
constexpr double kStallShare = 0.1;

constexpr std::string_view kAdvice = "the run may slow down: close other programs, or run again with a smaller --ram";

std::uint64_t grown(std::uint64_t from, std::uint64_t to) { return to > from ? to - from : 0; }

}  // namespace

bool PressureWatch::first_time(Cause cause) { return !std::exchange(warned_[cause], true); }

void PressureWatch::look(const MemoryFigures& now, std::uint64_t still_to_take_bytes, Warn warn) {
  look_at_swap(now, warn);
  look_at_available(now, still_to_take_bytes, warn);
  look_at_stalls(now, warn);
}

void PressureWatch::look_at_swap(const MemoryFigures& now, Warn warn) {
  const std::uint64_t in = grown(begin_.pressure.swapped_in_bytes, now.pressure.swapped_in_bytes);
  const std::uint64_t out = grown(begin_.pressure.swapped_out_bytes, now.pressure.swapped_out_bytes);
  const std::uint64_t own = grown(begin_.process.swap_bytes, now.process.swap_bytes);
  if (in + out < kSwapTrafficBytes && own < kOwnSwapBytes) return;
  if (!first_time(kSwap)) return;
  std::string text = "the system swaps: since the run began " + format_bytes(out) + " went to swap and " +
                     format_bytes(in) + " came back, " + format_bytes(now.process.swap_bytes) +
                     " of this process are in swap; ";
  warn(text += kAdvice);
}

void PressureWatch::look_at_available(const MemoryFigures& now, std::uint64_t still_to_take_bytes, Warn warn) {
  const std::uint64_t available = now.system.usable_available_bytes();
  if (available >= still_to_take_bytes || !first_time(kTaken)) return;
  std::string text = "another process holds memory that the plan counts on: " + format_bytes(available) +
                     " can be had without swapping, but the run still takes " + format_bytes(still_to_take_bytes) +
                     "; ";
  warn(text += kAdvice);
}

void PressureWatch::look_at_stalls(const MemoryFigures& now, Warn warn) {
  const double seconds = now.seconds - window_begin_.seconds;
  if (seconds < kWindowSeconds) return;
  if (now.pressure.memory_stall_us && window_begin_.pressure.memory_stall_us) {
    const std::uint64_t stalled = grown(*window_begin_.pressure.memory_stall_us, *now.pressure.memory_stall_us);
    stall_share_ = static_cast<double>(stalled) / 1e6 / seconds;
  }
  window_begin_ = now;
  if (stall_share_ < kStallShare || !first_time(kStall)) return;
  std::string text = "memory is short: programs waited for it " + std::to_string(std::lround(stall_share_ * 100)) +
                     " % of the last " + std::to_string(std::lround(seconds)) + " s; ";
  warn(text += kAdvice);
}

}  // namespace steadyflux
