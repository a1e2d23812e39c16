// Whether the machine can give, now, what a plan takes; and what a plan may take when nobody says.
#pragma once

#include <cstdint>
#include <optional>

#include "platform/process_memory.h"
#include "platform/system_memory.h"

namespace steadyflux {

// What is left to the system and to other programs: max(1 GiB, 10 %) of the machine's or control group's memory, but
// never more than half of it.
std::uint64_t reserve_for_others_bytes(const SystemMemory& system);

// The budget that "auto" stands for: the total, less that reserve. Depends on what the machine has, never on what is
// free, so that a plan is the same on every run.
std::uint64_t auto_budget_bytes(const SystemMemory& system);

// The same of a discrete device's memory, with a reserve for screens and other programs of max(512 MiB, 5 %), but never
// more than half.
std::uint64_t auto_device_budget_bytes(std::uint64_t capacity_bytes);

// What is missing. Swap is not memory.
struct Shortage {
  std::uint64_t planned_bytes = 0;    // the plan's peak
  std::uint64_t needed_bytes = 0;     // of it, what the process does not hold yet
  std::uint64_t available_bytes = 0;  // what can be had now without swapping
};

// Nothing when the plan can be carried out now. What the process holds counts as taken up to the plan's own overhead:
// the rest belongs to the program that this library lives in.
std::optional<Shortage> find_shortage(std::uint64_t planned_bytes, std::uint64_t overhead_bytes,
                                      const ProcessMemory& process, const SystemMemory& system);

// Whether the arenas and slots of runs within `budget_bytes` are to be locked in memory: the limit must allow all of
// them (`lock_limit_bytes`; nothing: no limit), since some alone keep no run steady, and the reserve for others must
// remain, since what is locked cannot make room for anyone. 0, no budget, locks nothing.
bool locks_memory(std::uint64_t budget_bytes, std::optional<std::uint64_t> lock_limit_bytes,
                  const SystemMemory& system);

}  // namespace steadyflux
