#include <array>
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "platform/proc_text_linux.h"
#include "platform/system_memory.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kKiB = 1024;

// Groups without a limit report "max" (v2) or a number near 2^63 (v1).
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 60;

// The names that the two versions give to the same three figures.
struct GroupFiles {
  const char* limit;
  const char* used;
  const char* droppable;  // key in memory.stat: page cache that is not in use
};
constexpr GroupFiles kVersion1 = {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "};
constexpr GroupFiles kVersion2 = {"memory.max", "memory.current", "inactive_file "};

std::optional<std::uint64_t> number_in(const fs::path& file, std::string_view key) {
  std::array<char, 16384> buffer;
  const auto text = read_proc_text(file.c_str(), buffer);
  return text ? number_after(*text, key) : std::nullopt;
}

// Narrows `memory` by the limit of the one group at `directory`.
void apply_group(SystemMemory& memory, const fs::path& directory, const GroupFiles& files) {
  const auto limit = number_in(directory / files.limit, "");
  if (!limit || *limit >= kNoLimit) return;
  const std::uint64_t used = number_in(directory / files.used, "").value_or(0);
  const std::uint64_t droppable = number_in(directory / "memory.stat", files.droppable).value_or(0);
  const std::uint64_t held = used > droppable ? used - droppable : 0;
  const std::uint64_t available = *limit > held ? *limit - held : 0;
  memory.group_limit_bytes = std::min(memory.group_limit_bytes.value_or(*limit), *limit);
  memory.group_available_bytes = std::min(memory.group_available_bytes.value_or(available), available);
}

// A limit of any enclosing group holds too. Inside a container the path can name directories that are not mounted
// there; its own group is then the mount itself, which ends the walk.
void apply_groups(SystemMemory& memory, const fs::path& mount, std::string_view group, const GroupFiles& files) {
  fs::path relative = fs::path(group).relative_path();
  while (!relative.empty()) {
    apply_group(memory, mount / relative, files);
    relative = relative.parent_path();
  }
  apply_group(memory, mount, files);
}

// Whether "memory" is an entry of a list such as "cpu,memory".
bool lists_memory(std::string_view controllers) {
  constexpr std::string_view kMemory = "memory";
  while (!controllers.empty()) {
    const std::size_t end = std::min(controllers.find(','), controllers.size());
    if (controllers.substr(0, end) == kMemory) return true;
    controllers.remove_prefix(std::min(end + 1, controllers.size()));
  }
  return false;
}

// Lines of /proc/self/cgroup are "number:controllers:path"; version 2 has number 0 and no controllers.
void apply_group_line(SystemMemory& memory, const fs::path& root, std::string_view line) {
  const std::size_t first = line.find(':');
  const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
  if (second == std::string_view::npos) return;
  const std::string_view controllers = line.substr(first + 1, second - first - 1);
  const std::string_view group = line.substr(second + 1);
  if (controllers.empty()) {
    apply_groups(memory, root / "sys/fs/cgroup", group, kVersion2);
    apply_groups(memory, root / "sys/fs/cgroup/unified", group, kVersion2);
  } else if (lists_memory(controllers)) {
    apply_groups(memory, root / "sys/fs/cgroup/memory", group, kVersion1);
  }
}

}  // namespace

SystemMemory system_memory(const fs::path& root) {
  std::array<char, 16384> buffer;
  const fs::path meminfo = root / "proc/meminfo";
  const auto text = read_proc_text(meminfo.c_str(), buffer);
  const auto total = text ? number_after(*text, "MemTotal:") : std::nullopt;
  const auto available = text ? number_after(*text, "MemAvailable:") : std::nullopt;
  if (!total || !available) fail(ErrorCode::kIo, "cannot learn the machine's memory from ", meminfo.string());
  SystemMemory memory;
  memory.total_bytes = *total * kKiB;
  memory.available_bytes = *available * kKiB;
  memory.swap_total_bytes = number_after(*text, "SwapTotal:").value_or(0) * kKiB;
  memory.swap_free_bytes = number_after(*text, "SwapFree:").value_or(0) * kKiB;

  auto groups = read_proc_text((root / "proc/self/cgroup").c_str(), buffer).value_or("");
  while (!groups.empty()) {
    const std::size_t end = std::min(groups.find('\n'), groups.size());
    apply_group_line(memory, root, groups.substr(0, end));
    groups.remove_prefix(std::min(end + 1, groups.size()));
  }
  return memory;
}

}  // namespace steadyflux
