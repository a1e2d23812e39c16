#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "memory/monitor.h"
#include "platform/page_region.h"
#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

class Listener final : public MonitorListener {
 public:
  void on_memory(const MemoryLook& look) override { looks.push_back(look); }
  void on_memory_warning(std::string_view text) override { warnings.emplace_back(text); }

  std::vector<MemoryLook> looks;
  std::vector<std::string> warnings;
};

// A made-up machine with 8 GiB available and nothing swapped.
class MonitorFigures : public testing::Test {
 protected:
  void SetUp() override {
    set_available(8 * kGiB);
    set_swapped_pages(0, 0);
    set_stalled_us(0);
  }

  void set_available(std::uint64_t bytes) {
    put("proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: " + std::to_string(bytes / 1024) + " kB\n");
  }
  void set_swapped_pages(int in, int out) {
    put("proc/vmstat", "pswpin " + std::to_string(in) + "\npswpout " + std::to_string(out) + "\n");
  }
  void set_stalled_us(int us) { put("proc/pressure/memory", "some avg10=0.00 total=" + std::to_string(us) + "\n"); }

  void put(const fs::path& path, const std::string& text) {
    fs::create_directories((temporary_.path() / path).parent_path());
    std::ofstream(temporary_.path() / path) << text;
  }

  TemporaryDir temporary_{"monitor_figures"};
  PeakMeter peak_;
  Listener listener_;
};

TEST_F(MonitorFigures, APhaseHasTheCountsOfItsOwnTime) {
  const SystemFigures system(temporary_.path());
  Monitor monitor({{"one", kGiB}, {"two", kGiB}}, 0, system, peak_, listener_);
  monitor.begin_phase("one");
  set_swapped_pages(1, 2);
  set_stalled_us(500'000);
  monitor.end_phase();
  monitor.begin_phase("two");
  monitor.end_phase();
  monitor.begin_phase("one");
  set_swapped_pages(3, 2);
  monitor.end_phase();
  ASSERT_EQ(monitor.phases().size(), 2u);
  EXPECT_EQ(monitor.phases()[0].swap_in_bytes, 3 * page_bytes());
  EXPECT_EQ(monitor.phases()[0].swap_out_bytes, 2 * page_bytes());
  EXPECT_DOUBLE_EQ(monitor.phases()[0].stall_seconds, 0.5);
  EXPECT_EQ(monitor.phases()[1].swap_in_bytes, 0u);
  EXPECT_TRUE(listener_.warnings.empty());
}

TEST_F(MonitorFigures, TellsWhatItSees) {
  const SystemFigures system(temporary_.path());
  Monitor monitor({{"one", 5 * kGiB}}, 0, system, peak_, listener_);
  monitor.begin_phase("one");
  set_available(7 * kGiB);
  set_swapped_pages(0, 9000);
  const std::uint64_t bytes = monitor.sample();
  ASSERT_EQ(listener_.looks.size(), 1u);
  EXPECT_EQ(listener_.looks[0].process_bytes, bytes);
  EXPECT_EQ(listener_.looks[0].planned_bytes, 5 * kGiB);
  EXPECT_EQ(listener_.looks[0].available_bytes, 7 * kGiB);
  EXPECT_EQ(listener_.looks[0].swap_out_bytes, 9000 * page_bytes());
  EXPECT_EQ(listener_.warnings.size(), 1u);
  EXPECT_EQ(peak_.bytes(), bytes);
  monitor.end_phase();
}

TEST_F(MonitorFigures, WhatLaterPhasesTakeMustStayAvailable) {
  const SystemFigures system(temporary_.path());
  Monitor monitor({{"small", kGiB}, {"large", 6 * kGiB}, {"last", kGiB}}, 0, system, peak_, listener_);
  set_available(5 * kGiB);
  monitor.begin_phase("last");
  monitor.end_phase();
  EXPECT_TRUE(listener_.warnings.empty()) << "the large phase is over";
  monitor.begin_phase("small");
  monitor.end_phase();
  EXPECT_EQ(listener_.warnings.size(), 1u);
}

TEST_F(MonitorFigures, PollsAreSparse) {
  const SystemFigures system(temporary_.path());
  Monitor monitor({}, 0, system, peak_, listener_);
  for (int i = 0; i < 1000; ++i) monitor.poll();
  EXPECT_GE(listener_.looks.size(), 1u);
  EXPECT_LE(listener_.looks.size(), 100u);
}

}  // namespace
}  // namespace steadyflux
