// How much memory the machine, and the group this process is confined to, can give.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>

namespace steadyflux {

struct SystemMemory {
  std::uint64_t total_bytes = 0;      // of the machine
  std::uint64_t available_bytes = 0;  // what could be taken now without swapping, as the kernel estimates
  std::uint64_t swap_total_bytes = 0;
  std::uint64_t swap_free_bytes = 0;

  // The tightest limit of the control groups (v1 or v2) around this process, and what remains under that limit (page
  // cache that can be dropped counts as remaining); nothing when no group sets a limit.
  std::optional<std::uint64_t> group_limit_bytes;
  std::optional<std::uint64_t> group_available_bytes;

  std::uint64_t usable_total_bytes() const { return std::min(total_bytes, group_limit_bytes.value_or(total_bytes)); }
  std::uint64_t usable_available_bytes() const {
    return std::min(available_bytes, group_available_bytes.value_or(available_bytes));
  }
};

// Reads it from the kernel. `root` is where proc/ and sys/ are, other than "/" in tests alone.
// Throws Error(kIo) when the machine's memory cannot be read.
SystemMemory system_memory(const std::filesystem::path& root = "/");

}  // namespace steadyflux
