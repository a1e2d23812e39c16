#include "pipeline/fit.h"

#include <algorithm>
#include <limits>

namespace steadyflux {
namespace {

constexpr std::uint64_t kMinReserveBytes = std::uint64_t{64} << 20;
constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

// The smallest budget whose usable part is `bytes`.
std::uint64_t budget_for(std::uint64_t bytes) {
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  const std::uint64_t by_share = bytes + bytes / 99 + 1;
  const std::uint64_t budget = std::max(bytes + kMinReserveBytes, by_share);
  return (budget + kMiB - 1) / kMiB * kMiB;
}

std::uint64_t usable_bytes(std::uint64_t budget_bytes) {
  if (budget_bytes == 0) return kNoLimit;
  const std::uint64_t reserve = budget_reserve_bytes(budget_bytes);
  return budget_bytes > reserve ? budget_bytes - reserve : 0;
}

// What a stage takes beside its weights, and the least that these can take.
struct StageNeed {
  Overhead beside;
  Overhead weights;
};

StageNeed need_of(const StagePlan& stage, const Overhead& overhead, bool discrete) {
  const auto& groups = stage.weights->groups;
  const std::uint64_t computing = stage.held_bytes + stage.arena_bytes;
  const std::uint64_t host = overhead.ram_bytes + stage.kept_bytes;
  if (!discrete) return {{host + computing, 0}, {smallest_weights_bytes(groups), 0}};
  const WeightRoom smallest = smallest_weight_room(groups);
  return {{host, overhead.vram_bytes + computing}, {smallest.host_bytes, smallest.device_bytes}};
}

}  // namespace

std::uint64_t budget_reserve_bytes(std::uint64_t budget_bytes) {
  return std::max(kMinReserveBytes, budget_bytes / 100);
}

std::optional<Budget> fit_stages(std::vector<StagePlan>& stages, const Overhead& overhead, const Budget& budget) {
  const bool discrete = budget.vram_bytes > 0;
  const std::uint64_t ram = usable_bytes(budget.ram_bytes);
  const std::uint64_t vram = usable_bytes(budget.vram_bytes);
  bool fits = true;
  Budget needed;
  for (StagePlan& stage : stages) {
    const StageNeed need = need_of(stage, overhead, discrete);
    needed.ram_bytes = std::max(needed.ram_bytes, need.beside.ram_bytes + need.weights.ram_bytes);
    needed.vram_bytes = std::max(needed.vram_bytes, need.beside.vram_bytes + need.weights.vram_bytes);
    std::optional<Residency> residency;
    if (need.beside.ram_bytes <= ram && need.beside.vram_bytes <= vram) {
      const WeightRoom room = {vram - need.beside.vram_bytes, ram - need.beside.ram_bytes};
      residency = discrete ? choose_residency(stage.weights->groups, room)
                           : choose_residency(stage.weights->groups, room.host_bytes);
    }
    if (residency) stage.residency = *residency;
    fits = fits && residency;
  }
  if (fits) return std::nullopt;
  return Budget{budget_for(needed.ram_bytes), discrete ? budget_for(needed.vram_bytes) : 0};
}

}  // namespace steadyflux
