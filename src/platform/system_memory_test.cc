#include "platform/system_memory.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string_view>

#include "base/error.h"
#include "platform/page_region.h"
#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;

// A made-up machine of 16 GiB, 8 of them available.
class FakeMachine : public testing::Test {
 protected:
  void SetUp() override {
    put("proc/meminfo",
        "MemTotal: 16777216 kB\nMemFree: 1 kB\nMemAvailable: 8388608 kB\nSwapTotal: 4 kB\nSwapFree: 2 kB\n");
  }

  void put(const fs::path& path, std::string_view text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  static constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
  TemporaryDir temporary_{"fake_machine"};
  const fs::path root_ = temporary_.path();
};

TEST_F(FakeMachine, WithoutGroupsTheMachineIsTheLimit) {
  const SystemMemory memory = SystemFigures(root_).memory();
  EXPECT_EQ(memory.total_bytes, 16 * kGiB);
  EXPECT_EQ(memory.swap_total_bytes, 4096U);
  EXPECT_EQ(memory.swap_free_bytes, 2048U);
  EXPECT_FALSE(memory.group_limit_bytes.has_value());
  EXPECT_EQ(memory.usable_total_bytes(), 16 * kGiB);
  EXPECT_EQ(memory.usable_available_bytes(), 8 * kGiB);
}

TEST_F(FakeMachine, Version2TakesTheTightestEnclosingGroup) {
  put("proc/self/cgroup", "0::/slice/service\n");
  put("sys/fs/cgroup/slice/memory.max", "4294967296\n");
  put("sys/fs/cgroup/slice/memory.current", "3221225472\n");
  put("sys/fs/cgroup/slice/memory.stat", "anon 5\ninactive_file 536870912\nactive_file 536870912\n");
  put("sys/fs/cgroup/slice/service/memory.max", "max\n");
  const SystemMemory memory = SystemFigures(root_).memory();
  EXPECT_EQ(memory.group_limit_bytes, 4 * kGiB);
  EXPECT_EQ(memory.group_available_bytes, 2 * kGiB);
  EXPECT_EQ(memory.usable_total_bytes(), 4 * kGiB);
  EXPECT_EQ(memory.usable_available_bytes(), 2 * kGiB);
}

TEST_F(FakeMachine, Version1InsideAContainerIsTheMount) {
  put("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/0123\n");
  put("sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648\n");
  put("sys/fs/cgroup/memory/memory.usage_in_bytes", "3221225472\n");
  const SystemMemory memory = SystemFigures(root_).memory();
  EXPECT_EQ(memory.group_limit_bytes, 2 * kGiB);
  EXPECT_EQ(memory.group_available_bytes, 0U);
}

TEST_F(FakeMachine, Version1WithoutALimitReportsAHugeNumber) {
  put("proc/self/cgroup", "4:memory:/\n");
  put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_FALSE(SystemFigures(root_).memory().group_limit_bytes.has_value());
}

TEST_F(FakeMachine, AMachineThatSaysNothingIsAnError) {
  fs::remove(root_ / "proc/meminfo");
  EXPECT_THROW(SystemFigures(root_).memory(), Error);
}

TEST_F(FakeMachine, PressureComesFromTheCounters) {
  put("proc/vmstat", "pswpin 3\npswpout 5\n");
  put("proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=70\nfull avg10=0.00 total=30\n");
  const SystemFigures figures(root_);
  EXPECT_EQ(figures.pressure().swapped_in_bytes, 3 * page_bytes());
  EXPECT_EQ(figures.pressure().swapped_out_bytes, 5 * page_bytes());
  EXPECT_EQ(figures.pressure().memory_stall_us, 70U);
  put("proc/vmstat", "pswpin 4\npswpout 5\n");
  EXPECT_EQ(figures.pressure().swapped_in_bytes, 4 * page_bytes());
}

TEST_F(FakeMachine, AGroupWithPressureOfItsOwnIsAsked) {
  put("proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=70\n");
  put("proc/self/cgroup", "0::/service\n");
  put("sys/fs/cgroup/service/memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=9\n");
  EXPECT_EQ(SystemFigures(root_).pressure().memory_stall_us, 9U);
}

TEST_F(FakeMachine, AKernelWithoutPressureHasNone) {
  EXPECT_FALSE(SystemFigures(root_).pressure().memory_stall_us.has_value());
  EXPECT_EQ(SystemFigures(root_).pressure().swapped_out_bytes, 0U);
}

TEST(SystemMemory, ReadsThisMachine) {
  const SystemMemory memory = SystemFigures().memory();
  EXPECT_GT(memory.total_bytes, std::uint64_t{1} << 28);
  EXPECT_LE(memory.available_bytes, memory.total_bytes);
  EXPECT_GT(memory.usable_available_bytes(), 0U);
}

}  // namespace
}  // namespace steadyflux
