// How much memory the machine, and the group this process is confined to, can give, and how short of it they are.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>

namespace steadyflux {

struct SystemMemory {
  std::uint64_t total_bytes = 0;      // of the machine
  std::uint64_t available_bytes = 0;  // what could be taken now without swapping, as the kernel estimates
  std::uint64_t swap_total_bytes = 0;
  std::uint64_t swap_free_bytes = 0;

  // The tightest limit of the control groups (v1 or v2) around this process, and what remains under that limit (page
  // cache counts as remaining, since the kernel can drop it); nothing when no group sets a limit.
  std::optional<std::uint64_t> group_limit_bytes;
  std::optional<std::uint64_t> group_available_bytes;

  std::uint64_t usable_total_bytes() const { return std::min(total_bytes, group_limit_bytes.value_or(total_bytes)); }
  std::uint64_t usable_available_bytes() const {
    return std::min(available_bytes, group_available_bytes.value_or(available_bytes));
  }
};

// Counters since the machine started.
struct SystemPressure {
  std::uint64_t swapped_in_bytes = 0;  // of the whole machine
  std::uint64_t swapped_out_bytes = 0;
  // Time in which some task waited for memory, of this process's control group where it has figures of its own, of the
  // machine otherwise; nothing where the kernel does not tell.
  std::optional<std::uint64_t> memory_stall_us;
};

// Reads the figures again and again: what is worth finding out once is found out when it is made, and reading allocates
// nothing, so that a loop may poll. Thread rule: any thread.
class SystemFigures {
 public:
  // `root` is where proc/ and sys/ are, other than "/" in tests alone.
  explicit SystemFigures(const std::filesystem::path& root = "/");
  ~SystemFigures();
  SystemFigures(SystemFigures&&) noexcept;
  SystemFigures& operator=(SystemFigures&&) noexcept;

  // Throws Error(kIo) when the machine's memory cannot be read.
  SystemMemory memory() const;
  SystemPressure pressure() const;

 private:
  struct Sources;
  std::unique_ptr<const Sources> sources_;
};

}  // namespace steadyflux
