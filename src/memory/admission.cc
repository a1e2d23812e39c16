#include "memory/admission.h"

#include <algorithm>

namespace steadyflux {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kLeastReserveBytes = 1024 * kMiB;
constexpr std::uint64_t kLeastDeviceReserveBytes = 512 * kMiB;

// max(least, a share of the total), at most half.
std::uint64_t reserve_of(std::uint64_t total, std::uint64_t least, std::uint64_t share) {
  return std::min(std::max(least, share), total / 2);
}

std::uint64_t whole_mib(std::uint64_t bytes) { return bytes / kMiB * kMiB; }

}  // namespace

std::uint64_t reserve_for_others_bytes(const SystemMemory& system) {
  const std::uint64_t total = system.usable_total_bytes();
  return reserve_of(total, kLeastReserveBytes, total / 10);
}

std::uint64_t auto_budget_bytes(const SystemMemory& system) {
  return whole_mib(system.usable_total_bytes() - reserve_for_others_bytes(system));
}

std::uint64_t auto_device_budget_bytes(std::uint64_t capacity_bytes) {
  return whole_mib(capacity_bytes - reserve_of(capacity_bytes, kLeastDeviceReserveBytes, capacity_bytes / 20));
}

std::optional<Shortage> find_shortage(std::uint64_t planned_bytes, std::uint64_t overhead_bytes,
                                      const ProcessMemory& process, const SystemMemory& system) {
  Shortage shortage;
  shortage.planned_bytes = planned_bytes;
  shortage.needed_bytes = planned_bytes - std::min({planned_bytes, overhead_bytes, process.charged_bytes()});
  shortage.available_bytes = system.usable_available_bytes();
  if (shortage.needed_bytes <= shortage.available_bytes) return std::nullopt;
  return shortage;
}

bool locks_memory(std::uint64_t budget_bytes, std::optional<std::uint64_t> lock_limit_bytes,
                  const SystemMemory& system) {
  if (budget_bytes == 0 || budget_bytes > auto_budget_bytes(system)) return false;
  return !lock_limit_bytes || *lock_limit_bytes >= budget_bytes;
}

}  // namespace steadyflux
