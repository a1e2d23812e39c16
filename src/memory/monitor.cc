#include "memory/monitor.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace steadyflux {
namespace {

constexpr double kLookSeconds = 0.2;

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::uint64_t difference(std::uint64_t larger, std::uint64_t smaller) {
  return larger > smaller ? larger - smaller : 0;
}

}  // namespace

Monitor::Monitor(std::vector<PlannedPeak> planned, std::uint64_t overhead_bytes, const SystemFigures& system,
                 PeakMeter& peak, MonitorListener& listener)
    : planned_(std::move(planned)), system_(system), peak_(peak), listener_(listener), watch_(figures()) {
  // What is there beyond the overhead belongs to the program that this library lives in.
  foreign_bytes_ = difference(watch_.begin().process.charged_bytes(), overhead_bytes);
  phases_.reserve(planned_.size());
}

MemoryFigures Monitor::figures() const {
  return {now_seconds(), process_memory(), system_.memory(), system_.pressure()};
}

void Monitor::begin_phase(std::string_view name) {
  const auto planned = std::find_if(planned_.begin(), planned_.end(), [&](const auto& p) { return p.name == name; });
  if (planned != planned_.end()) plan_phase_ = static_cast<std::size_t>(planned - planned_.begin());
  const auto used = std::find_if(phases_.begin(), phases_.end(), [&](const auto& p) { return p.name == name; });
  use_ = static_cast<std::size_t>(used - phases_.begin());
  if (used == phases_.end()) phases_.emplace_back().name = name;
  phase_begin_ = figures();
}

std::uint64_t Monitor::still_to_take_bytes(std::uint64_t process_bytes) const {
  std::uint64_t peak = 0;
  for (std::size_t i = plan_phase_; i < planned_.size(); ++i) peak = std::max(peak, planned_[i].bytes);
  return difference(peak, difference(process_bytes, foreign_bytes_));
}

bool Monitor::is_due() const { return now_seconds() - last_.seconds >= kLookSeconds; }

void Monitor::note(std::uint64_t process_bytes) {
  peak_.note(process_bytes);
  if (use_ < phases_.size()) phases_[use_].peak_bytes = std::max(phases_[use_].peak_bytes, process_bytes);
}

std::uint64_t Monitor::look() {
  last_ = figures();
  const std::uint64_t bytes = last_.process.charged_bytes();
  note(bytes);
  watch_.look(last_, still_to_take_bytes(bytes), [this](std::string_view text) { listener_.on_memory_warning(text); });
  MemoryLook look;
  look.process_bytes = bytes;
  if (plan_phase_ < planned_.size()) look.planned_bytes = planned_[plan_phase_].bytes;
  look.process_swap_bytes = last_.process.swap_bytes;
  look.available_bytes = last_.system.usable_available_bytes();
  look.swap_in_bytes = difference(last_.pressure.swapped_in_bytes, watch_.begin().pressure.swapped_in_bytes);
  look.swap_out_bytes = difference(last_.pressure.swapped_out_bytes, watch_.begin().pressure.swapped_out_bytes);
  look.major_faults = difference(last_.process.major_faults, watch_.begin().process.major_faults);
  look.stall_share = watch_.stall_share();
  listener_.on_memory(look);
  return bytes;
}

std::uint64_t Monitor::sample() {
  if (is_due()) return look();
  const std::uint64_t bytes = process_memory().charged_bytes();
  note(bytes);
  return bytes;
}

void Monitor::poll() {
  if (is_due()) look();
}

void Monitor::end_phase() {
  PhaseUse& phase = phases_.at(use_);
  phase.end_bytes = look();
  phase.seconds += last_.seconds - phase_begin_.seconds;
  phase.major_faults += difference(last_.process.major_faults, phase_begin_.process.major_faults);
  const SystemPressure& before = phase_begin_.pressure;
  phase.swap_in_bytes += difference(last_.pressure.swapped_in_bytes, before.swapped_in_bytes);
  phase.swap_out_bytes += difference(last_.pressure.swapped_out_bytes, before.swapped_out_bytes);
  phase.stall_seconds +=
      static_cast<double>(difference(last_.pressure.memory_stall_us.value_or(0), before.memory_stall_us.value_or(0))) /
      1e6;
  use_ = phases_.size();
}

}  // namespace steadyflux
