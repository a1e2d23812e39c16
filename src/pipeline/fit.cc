#include "pipeline/fit.h"

#include <algorithm>

namespace steadyflux {
namespace {

constexpr std::uint64_t kMinReserveBytes = std::uint64_t{64} << 20;

// The smallest budget whose usable part is `bytes`.
std::uint64_t budget_for(std::uint64_t bytes) {
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  const std::uint64_t by_share = bytes + bytes / 99 + 1;
  const std::uint64_t budget = std::max(bytes + kMinReserveBytes, by_share);
  return (budget + kMiB - 1) / kMiB * kMiB;
}

}  // namespace

std::uint64_t budget_reserve_bytes(std::uint64_t budget_bytes) {
  return std::max(kMinReserveBytes, budget_bytes / 100);
}

std::optional<std::uint64_t> fit_stages(std::vector<StagePlan>& stages, std::uint64_t overhead_bytes,
                                        std::uint64_t budget_bytes) {
  const std::uint64_t reserve = budget_reserve_bytes(budget_bytes);
  const std::uint64_t usable = budget_bytes > reserve ? budget_bytes - reserve : 0;
  bool fits = true;
  std::uint64_t largest_need = 0;
  for (StagePlan& stage : stages) {
    const std::uint64_t beside = overhead_bytes + stage.held_bytes + stage.arena_bytes;
    largest_need = std::max(largest_need, beside + smallest_weights_bytes(stage.weights->groups));
    const auto residency =
        beside <= usable ? choose_residency(stage.weights->groups, usable - beside) : std::optional<Residency>();
    if (residency) stage.residency = *residency;
    fits = fits && residency;
  }
  return fits ? std::nullopt : std::optional(budget_for(largest_need));
}

}  // namespace steadyflux
