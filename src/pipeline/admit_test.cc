#include "pipeline/admit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kOverheadBytes = 0;

class Admit : public testing::Test {
 protected:
  // A machine with 2 GiB available.
  Admit() {
    std::filesystem::create_directories(temporary_.path() / "proc");
    std::ofstream(temporary_.path() / "proc/meminfo") << "MemTotal: 8388608 kB\nMemAvailable: 2097152 kB\n";
  }

  static Plan plan_of(std::uint64_t peak_bytes) {
    Plan plan;
    plan.peak_bytes = peak_bytes;
    return plan;
  }

  TemporaryDir temporary_{"admit_test"};
  SystemFigures system_{temporary_.path()};
};

TEST_F(Admit, WhatCanBeHadIsAdmitted) {
  const auto shortage = check_admission(plan_of(2048 * kMiB), kOverheadBytes, system_, [](auto) { return true; });
  EXPECT_FALSE(shortage.has_value());
}

TEST_F(Admit, ABudgetOfWhatIsAvailableIsSuggestedIfItFits) {
  const auto fits = [](std::uint64_t budget_bytes) { return budget_bytes >= 2048 * kMiB; };
  const auto shortage = check_admission(plan_of(2049 * kMiB), kOverheadBytes, system_, fits);
  ASSERT_TRUE(shortage.has_value());
  EXPECT_EQ(shortage->needed_bytes, 2049 * kMiB);
  EXPECT_EQ(std::count(shortage->suggestions.begin(), shortage->suggestions.end(), "--ram 2048M"), 1);
  const auto never = check_admission(plan_of(2049 * kMiB), kOverheadBytes, system_, [](auto) { return false; });
  ASSERT_TRUE(never.has_value());
  EXPECT_EQ(never->suggestions.size(), shortage->suggestions.size() - 1);
}

}  // namespace
}  // namespace steadyflux
