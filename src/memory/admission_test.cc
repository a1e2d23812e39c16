#include "memory/admission.h"

#include <gtest/gtest.h>

namespace steadyflux {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

SystemMemory machine(std::uint64_t total_bytes, std::uint64_t available_bytes) {
  SystemMemory system;
  system.total_bytes = total_bytes;
  system.available_bytes = available_bytes;
  return system;
}

constexpr std::uint64_t kOverhead = 10 * kMiB;

ProcessMemory holding(std::uint64_t bytes) {
  ProcessMemory process;
  process.anon_bytes = bytes;
  return process;
}

TEST(AutoBudget, LeavesATenthOrOneGibibyteButNeverMoreThanHalf) {
  EXPECT_EQ(auto_budget_bytes(machine(20 * kGiB, 1)), 18 * kGiB);
  EXPECT_EQ(auto_budget_bytes(machine(4 * kGiB, 1)), 3 * kGiB);
  EXPECT_EQ(auto_budget_bytes(machine(kGiB, 1)), 512 * kMiB);
}

TEST(AutoBudget, IsOfTheGroupWhereThereIsOne) {
  SystemMemory system = machine(64 * kGiB, 64 * kGiB);
  system.group_limit_bytes = 8 * kGiB;
  EXPECT_EQ(auto_budget_bytes(system), 7 * kGiB);
}

TEST(AutoBudget, OfADeviceLeavesATwentiethOrHalfAGibibyteButNeverMoreThanHalf) {
  EXPECT_EQ(auto_device_budget_bytes(20 * kGiB), 19 * kGiB);
  EXPECT_EQ(auto_device_budget_bytes(8 * kGiB + 1), 8 * kGiB - 512 * kMiB);
  EXPECT_EQ(auto_device_budget_bytes(512 * kMiB), 256 * kMiB);
}

TEST(Admission, ComparesThePeakWithWhatIsAvailable) {
  EXPECT_FALSE(find_shortage(3 * kGiB, kOverhead, holding(0), machine(8 * kGiB, 3 * kGiB)).has_value());
  const auto shortage = find_shortage(3 * kGiB, kOverhead, holding(0), machine(8 * kGiB, 3 * kGiB - 1));
  ASSERT_TRUE(shortage.has_value());
  EXPECT_EQ(shortage->planned_bytes, 3 * kGiB);
  EXPECT_EQ(shortage->needed_bytes, 3 * kGiB);
  EXPECT_EQ(shortage->available_bytes, 3 * kGiB - 1);
}

TEST(Admission, WhatTheProgramItselfHoldsIsTakenAlready) {
  EXPECT_FALSE(
      find_shortage(3 * kGiB, kOverhead, holding(4 * kMiB), machine(8 * kGiB, 3 * kGiB - 4 * kMiB)).has_value());
  // A host program's own memory is not part of the plan.
  const auto shortage = find_shortage(3 * kGiB, kOverhead, holding(5 * kGiB), machine(8 * kGiB, 2 * kGiB));
  ASSERT_TRUE(shortage.has_value());
  EXPECT_EQ(shortage->needed_bytes, 3 * kGiB - 10 * kMiB);
}

TEST(Admission, TheGroupsLimitCountsAndSwapDoesNot) {
  SystemMemory system = machine(64 * kGiB, 60 * kGiB);
  system.swap_total_bytes = system.swap_free_bytes = 64 * kGiB;
  system.group_limit_bytes = 8 * kGiB;
  system.group_available_bytes = 2 * kGiB;
  EXPECT_TRUE(find_shortage(3 * kGiB, kOverhead, holding(0), system).has_value());
  EXPECT_FALSE(find_shortage(2 * kGiB, kOverhead, holding(0), system).has_value());
}

TEST(Locking, NeedsALimitThatHoldsTheBudgetAndRoomForOthers) {
  const SystemMemory system = machine(20 * kGiB, 1);
  EXPECT_TRUE(locks_memory(18 * kGiB, std::nullopt, system));
  EXPECT_FALSE(locks_memory(18 * kGiB + 1, std::nullopt, system));
  EXPECT_TRUE(locks_memory(8 * kGiB, 8 * kGiB, system));
  EXPECT_FALSE(locks_memory(8 * kGiB, 8 * kMiB, system));
  EXPECT_FALSE(locks_memory(0, std::nullopt, system));
}

}  // namespace
}  // namespace steadyflux
