#include "memory/residency.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace steadyflux {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

std::vector<GroupLayout> groups_of(std::initializer_list<std::size_t> sizes_mib) {
  std::vector<GroupLayout> groups;
  for (const std::size_t size : sizes_mib) groups.push_back({"g", {}, size * kMiB});
  return groups;
}

TEST(Residency, KeepsEverythingThatFits) {
  const auto groups = groups_of({10, 20, 30});
  const auto residency = choose_residency(groups, 60 * kMiB);
  ASSERT_TRUE(residency);
  EXPECT_TRUE(residency->all_resident());
  EXPECT_EQ(residency->weights_bytes(), 60 * kMiB);
  EXPECT_EQ(residency->read_bytes(groups, 4), 60 * kMiB);
}

TEST(Residency, StreamsTheRestThroughTwoSlotsWithinWhatIsAvailable) {
  const auto groups = groups_of({10, 10, 10, 10, 10, 10, 10, 10, 10, 10});
  for (std::size_t available = 24; available < 100; ++available) {
    const auto residency = choose_residency(groups, available * kMiB);
    ASSERT_TRUE(residency) << available;
    EXPECT_FALSE(residency->all_resident());
    EXPECT_LE(residency->weights_bytes(), available * kMiB);
    // No room for another resident group is left over.
    EXPECT_GT(residency->weights_bytes() + 10 * kMiB, available * kMiB) << available;
    const auto stay =
        static_cast<std::size_t>(std::count(residency->resident.begin(), residency->resident.end(), true));
    EXPECT_EQ(residency->read_bytes(groups, 3), (10 * stay + 3 * 10 * (10 - stay)) * kMiB);
  }
}

TEST(Residency, SpreadsResidentGroupsEvenly) {
  const auto groups = groups_of({10, 10, 10, 10, 10, 10, 10, 10});
  const auto residency = choose_residency(groups, (20 + 40) * kMiB);
  ASSERT_TRUE(residency);
  EXPECT_EQ(residency->resident, (std::vector<bool>{false, true, false, true, false, true, false, true}));
}

TEST(Residency, SaysNothingWhenTwoSlotsDoNotFit) {
  const auto groups = groups_of({10, 30, 10});
  const std::size_t least = smallest_weights_bytes(groups);
  EXPECT_LE(least, 50 * kMiB);
  EXPECT_FALSE(choose_residency(groups, least - 1));
  EXPECT_TRUE(choose_residency(groups, least));
}

}  // namespace
}  // namespace steadyflux
