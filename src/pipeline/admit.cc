#include "pipeline/admit.h"

#include "base/bytes.h"
#include "memory/admission.h"

namespace steadyflux {

std::optional<MemoryShortage> check_admission(const Plan& plan, std::uint64_t overhead_bytes,
                                              const SystemFigures& system,
                                              FunctionRef<bool(std::uint64_t budget_bytes)> fits) {
  const auto found = find_shortage(plan.peak_bytes, overhead_bytes, process_memory(), system.memory());
  if (!found) return std::nullopt;
  MemoryShortage shortage;
  shortage.planned_bytes = found->planned_bytes;
  shortage.needed_bytes = found->needed_bytes;
  shortage.available_bytes = found->available_bytes;
  shortage.suggestions.emplace_back("close other programs");
  // A budget is more than the plan within it, so that this one leaves something.
  const std::uint64_t budget_mib = (found->available_bytes + found->planned_bytes - found->needed_bytes) >> 20;
  if (fits(budget_mib << 20)) shortage.suggestions.push_back("--ram " + std::to_string(budget_mib) + "M");
  shortage.suggestions.emplace_back("--force, to go on all the same: the system may swap, or end the run");
  return shortage;
}

std::string shortage_figures(const MemoryShortage& shortage) {
  const BytesApart bytes = format_apart(shortage.needed_bytes, shortage.available_bytes);
  return "the plan takes " + format_bytes(shortage.planned_bytes) + ", of which " + bytes.first +
         " are still to be had, but only " + bytes.second + " are available without swapping";
}

std::string forced_warning(const MemoryShortage& shortage) {
  return "the system is short of memory: " + shortage_figures(shortage) + "; going on because of --force";
}

std::string MemoryShortage::to_text() const {
  std::string text = "the system is short of memory: " + shortage_figures(*this) + ". Do one of these:";
  for (const std::string& suggestion : suggestions) text += "\n  " + suggestion;
  return text;
}

}  // namespace steadyflux
