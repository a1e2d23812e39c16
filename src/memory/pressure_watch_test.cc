#include "memory/pressure_watch.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace steadyflux {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

// A machine on which nothing happens unless a test makes it.
class PressureWatchTest : public testing::Test {
 protected:
  static MemoryFigures quiet() {
    MemoryFigures figures;
    figures.system.total_bytes = 16 * kGiB;
    figures.system.available_bytes = 8 * kGiB;
    figures.pressure.swapped_in_bytes = 7 * kGiB;  // before the run
    figures.pressure.swapped_out_bytes = 9 * kGiB;
    figures.pressure.memory_stall_us = 1'000'000'000;
    figures.process.swap_bytes = 3 * kMiB;
    return figures;
  }

  void look(std::uint64_t still_to_take_bytes = 0) {
    watch_.look(now_, still_to_take_bytes, [this](std::string_view text) { warnings_.emplace_back(text); });
  }

  MemoryFigures now_ = quiet();
  PressureWatch watch_{quiet()};
  std::vector<std::string> warnings_;
};

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST_F(PressureWatchTest, SaysNothingOfWhatWasBeforeTheRun) {
  look(8 * kGiB);
  now_.seconds = 1000;
  look();
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(PressureWatchTest, SwapTrafficIsNamedOnceWithFigures) {
  now_.pressure.swapped_out_bytes += 15 * kMiB;
  look();
  EXPECT_TRUE(warnings_.empty());
  now_.pressure.swapped_in_bytes += 1 * kMiB;
  look();
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_TRUE(contains(warnings_[0], "15.0 MiB went to swap and 1.00 MiB came back")) << warnings_[0];
  now_.pressure.swapped_in_bytes += kGiB;
  look();
  EXPECT_EQ(warnings_.size(), 1u);
}

TEST_F(PressureWatchTest, OwnPagesInSwapAreEnough) {
  now_.process.swap_bytes += kMiB;
  look();
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_TRUE(contains(warnings_[0], "4.00 MiB of this process")) << warnings_[0];
}

TEST_F(PressureWatchTest, MemoryThatThePlanCountsOnMustStayAvailable) {
  now_.system.available_bytes = 2 * kGiB;
  look(2 * kGiB);
  EXPECT_TRUE(warnings_.empty());
  look(2 * kGiB + 1);
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_TRUE(contains(warnings_[0], "another process holds")) << warnings_[0];
  EXPECT_TRUE(contains(warnings_[0], "2.00 GiB")) << warnings_[0];
}

TEST_F(PressureWatchTest, TheGroupsLimitCountsToo) {
  now_.system.group_limit_bytes = 4 * kGiB;
  now_.system.group_available_bytes = kGiB;
  look(2 * kGiB);
  EXPECT_EQ(warnings_.size(), 1u);
}

TEST_F(PressureWatchTest, StallsMustLast) {
  now_.seconds = 4;
  *now_.pressure.memory_stall_us += 4'000'000;
  look();
  EXPECT_TRUE(warnings_.empty());
  now_.seconds = 50;
  look();
  EXPECT_TRUE(warnings_.empty()) << "4 s of 50 are less than a tenth";
  now_.seconds = 60;
  *now_.pressure.memory_stall_us += 2'500'000;
  look();
  ASSERT_EQ(warnings_.size(), 1u);
  EXPECT_TRUE(contains(warnings_[0], "25 % of the last 10 s")) << warnings_[0];
  EXPECT_NEAR(watch_.stall_share(), 0.25, 1e-9);
}

TEST_F(PressureWatchTest, AKernelThatDoesNotTellStallsWarnsOfTheRest) {
  now_.pressure.memory_stall_us.reset();
  now_.seconds = 10;
  now_.pressure.swapped_out_bytes += kGiB;
  look(9 * kGiB);
  EXPECT_EQ(warnings_.size(), 2u);
}

}  // namespace
}  // namespace steadyflux
