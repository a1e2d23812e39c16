#include <algorithm>

#include "base/bytes.h"
#include "pipeline/doctor/examine.h"

namespace steadyflux::doctor {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;

// A streamed weight of two bytes is multiplied with every token of a picture of 512x512 and its text.
constexpr double kTokens = 1280;
constexpr double kFlopsPerByte = kTokens;

std::string mib(double bytes) { return format_bytes(static_cast<std::uint64_t>(bytes)); }

void advise_budget(const Examination& found, std::vector<std::string>& advice) {
  advice.push_back("budget: --ram auto takes " + format_bytes(found.auto_budget_bytes) + " here; " +
                   format_bytes(found.memory.usable_available_bytes()) + " are available now");
  if (found.discrete) {
    advice.push_back("budget of device memory: --vram auto takes " + format_bytes(found.discrete->auto_budget_bytes) +
                     " here");
  }
  if (found.memory.usable_available_bytes() < found.auto_budget_bytes) {
    const auto available_mib =
        static_cast<std::uint64_t>(static_cast<double>(found.memory.usable_available_bytes()) / kMiB);
    advice.push_back("other programs hold memory: close them, or declare at most --ram " +
                     std::to_string(available_mib) + "M");
  }
}

void advise_swap(const Examination& found, std::vector<std::string>& advice) {
  if (found.memory.swap_total_bytes == 0) return;
  std::string text =
      "swap is on (" + format_bytes(found.memory.swap_total_bytes) +
      "): a run that memory runs short under slows down, and says so; declare a budget with --ram, so that "
      "it is refused instead";
  const bool can_lock = !found.lock_limit_bytes || *found.lock_limit_bytes >= found.auto_budget_bytes;
  if (!can_lock) {
    text += ", and raise the limit of locked memory (now " + format_bytes(*found.lock_limit_bytes) +
            "; ulimit -l, memlock in limits.conf) to the budget or more, so that its memory is never swapped";
  }
  advice.push_back(text);
}

void advise_disk(const Examination& found, std::vector<std::string>& advice) {
  for (const FileSystem& system : found.file_systems) {
    if (system.rate && !system.rate->direct) {
      advice.push_back("the " + system.holds +
                       "'s file system refuses direct reads: what is read goes through the page "
                       "cache and pushes other files out; keep it on a local disk");
    }
  }
  const double disk = found.rates.disk_bytes;
  if (disk <= 0) return;
  const double hidden = std::max(found.rates.f32.linear_flops, found.rates.bf16.linear_flops) / kFlopsPerByte;
  if (disk >= hidden) return;
  advice.push_back("the disk reads " + mib(disk) +
                   " a second, but to hide behind the computing of one picture of 512x512 "
                   "it would take " +
                   mib(hidden) +
                   ": streamed weights set the pace; give more --ram, or make several "
                   "pictures at once (--count), which share what is read");
}

void advise_processor(const Examination& found, std::vector<std::string>& advice) {
  if (found.bf16_products) return;
  advice.push_back("the processor has no bf16 products: bf16 checkpoints are multiplied in f32, at its rate");
}

}  // namespace

std::vector<std::string> advise(const Examination& found) {
  std::vector<std::string> advice;
  advise_budget(found, advice);
  advise_swap(found, advice);
  advise_disk(found, advice);
  advise_processor(found, advice);
  return advice;
}

}  // namespace steadyflux::doctor
