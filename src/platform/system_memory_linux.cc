#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "platform/page_region.h"
#include "platform/proc_text_linux.h"
#include "platform/system_memory.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kKiB = 1024;
// Enough for the longest of the files, vmstat, and twice over.
constexpr std::size_t kBufferBytes = 16384;

// Groups without a limit report "max" (v2) or a number near 2^63 (v1).
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 60;

// The names that the two versions give to the same figures.
struct GroupNames {
  const char* limit;
  const char* used;
  std::initializer_list<std::string_view> droppable;  // keys in memory.stat: what the kernel takes back before it fails
};
const GroupNames& version1() {
  static const GroupNames names = {
      "memory.limit_in_bytes", "memory.usage_in_bytes", {"total_inactive_file ", "total_active_file "}};
  return names;
}
const GroupNames& version2() {
  static const GroupNames names = {
      "memory.max", "memory.current", {"inactive_file ", "active_file ", "slab_reclaimable "}};
  return names;
}

// One control group around this process.
struct Group {
  const GroupNames* names = nullptr;
  std::string limit;
  std::string used;
  std::string stat;
};

std::optional<std::uint64_t> number_in(const std::string& file, std::string_view key) {
  std::array<char, kBufferBytes> buffer;
  const auto text = read_proc_text(file.c_str(), buffer);
  return text ? number_after(*text, key) : std::nullopt;
}

std::uint64_t droppable_bytes(const Group& group) {
  std::array<char, kBufferBytes> buffer;
  const auto text = read_proc_text(group.stat.c_str(), buffer);
  if (!text) return 0;
  std::uint64_t sum = 0;
  for (const std::string_view key : group.names->droppable) sum += number_after(*text, key).value_or(0);
  return sum;
}

// Narrows `memory` by the limit of one group.
void apply_group(SystemMemory& memory, const Group& group) {
  const auto limit = number_in(group.limit, "");
  if (!limit || *limit >= kNoLimit) return;
  const std::uint64_t used = number_in(group.used, "").value_or(0);
  const std::uint64_t droppable = droppable_bytes(group);
  const std::uint64_t held = used > droppable ? used - droppable : 0;
  const std::uint64_t available = *limit > held ? *limit - held : 0;
  memory.group_limit_bytes = std::min(memory.group_limit_bytes.value_or(*limit), *limit);
  memory.group_available_bytes = std::min(memory.group_available_bytes.value_or(available), available);
}

bool is_there(const fs::path& path) {
  std::error_code unreadable;
  return fs::exists(path, unreadable);
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

}  // namespace

struct SystemFigures::Sources {
  std::string meminfo;
  std::string vmstat;
  std::string pressure;
  std::vector<Group> groups;

  explicit Sources(const fs::path& root);

 private:
  void add_group_line(const fs::path& root, std::string_view line);
  void add_groups(const fs::path& mount, std::string_view group, const GroupNames& names);
};

SystemFigures::Sources::Sources(const fs::path& root)
    : meminfo((root / "proc/meminfo").string()),
      vmstat((root / "proc/vmstat").string()),
      pressure((root / "proc/pressure/memory").string()) {
  std::array<char, kBufferBytes> buffer;
  auto lines = read_proc_text((root / "proc/self/cgroup").c_str(), buffer).value_or("");
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    add_group_line(root, lines.substr(0, end));
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
}

// Lines of /proc/self/cgroup are "number:controllers:path"; version 2 has number 0 and no controllers.
void SystemFigures::Sources::add_group_line(const fs::path& root, std::string_view line) {
  const std::size_t first = line.find(':');
  const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
  if (second == std::string_view::npos) return;
  const std::string_view controllers = line.substr(first + 1, second - first - 1);
  const std::string_view group = line.substr(second + 1);
  if (controllers.empty()) {
    for (const char* mount : {"sys/fs/cgroup", "sys/fs/cgroup/unified"}) {
      add_groups(root / mount, group, version2());
      const fs::path own = root / mount / fs::path(group).relative_path() / "memory.pressure";
      if (is_there(own)) pressure = own.string();
    }
  } else if (lists_memory(controllers)) {
    add_groups(root / "sys/fs/cgroup/memory", group, version1());
  }
}

// A limit of any enclosing group holds too. Inside a container the path can name directories that are not mounted
// there; its own group is then the mount itself, which ends the walk.
void SystemFigures::Sources::add_groups(const fs::path& mount, std::string_view group, const GroupNames& names) {
  const auto add = [&](const fs::path& directory) {
    if (!is_there(directory / names.limit)) return;
    groups.push_back({&names, (directory / names.limit).string(), (directory / names.used).string(),
                      (directory / "memory.stat").string()});
  };
  fs::path relative = fs::path(group).relative_path();
  while (!relative.empty()) {
    add(mount / relative);
    relative = relative.parent_path();
  }
  add(mount);
}

SystemFigures::SystemFigures(const fs::path& root) : sources_(std::make_unique<Sources>(root)) {}
SystemFigures::~SystemFigures() = default;
SystemFigures::SystemFigures(SystemFigures&&) noexcept = default;
SystemFigures& SystemFigures::operator=(SystemFigures&&) noexcept = default;

SystemMemory SystemFigures::memory() const {
  std::array<char, kBufferBytes> buffer;
  const auto text = read_proc_text(sources_->meminfo.c_str(), buffer);
  const auto total = text ? number_after(*text, "MemTotal:") : std::nullopt;
  const auto available = text ? number_after(*text, "MemAvailable:") : std::nullopt;
  if (!total || !available) fail(ErrorCode::kIo, "cannot learn the machine's memory from ", sources_->meminfo);
  SystemMemory memory;
  memory.total_bytes = *total * kKiB;
  memory.available_bytes = *available * kKiB;
  memory.swap_total_bytes = number_after(*text, "SwapTotal:").value_or(0) * kKiB;
  memory.swap_free_bytes = number_after(*text, "SwapFree:").value_or(0) * kKiB;
  for (const Group& group : sources_->groups) apply_group(memory, group);
  return memory;
}

SystemPressure SystemFigures::pressure() const {
  std::array<char, kBufferBytes> buffer;
  SystemPressure pressure;
  if (const auto counters = read_proc_text(sources_->vmstat.c_str(), buffer)) {
    pressure.swapped_in_bytes = number_after(*counters, "pswpin ").value_or(0) * page_bytes();
    pressure.swapped_out_bytes = number_after(*counters, "pswpout ").value_or(0) * page_bytes();
  }
  if (const auto stalls = read_proc_text(sources_->pressure.c_str(), buffer)) {
    pressure.memory_stall_us = number_after(*stalls, "total=");
  }
  return pressure;
}

}  // namespace steadyflux
