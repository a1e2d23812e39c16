#include "memory/residency.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

#include "base/checked.h"
#include "io/direct_file.h"

namespace steadyflux {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

std::vector<GroupLayout> groups_of(std::initializer_list<std::size_t> sizes_mib) {
  std::vector<GroupLayout> groups;
  for (const std::size_t size : sizes_mib) groups.push_back({"g", {}, size * kMiB, size * kMiB});
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

std::size_t count_tier(const Residency& residency, Tier tier) {
  return static_cast<std::size_t>(std::count(residency.tiers.begin(), residency.tiers.end(), tier));
}

TEST(Residency, StreamsTheRestThroughTwoSlotsWithinWhatIsAvailable) {
  const auto groups = groups_of({10, 10, 10, 10, 10, 10, 10, 10, 10, 10});
  for (std::size_t available = 20; available < 100; ++available) {
    const auto residency = choose_residency(groups, available * kMiB);
    ASSERT_TRUE(residency) << available;
    EXPECT_FALSE(residency->all_resident());
    EXPECT_LE(residency->weights_bytes(), available * kMiB);
    // No room for another resident group is left over.
    EXPECT_GT(residency->weights_bytes() + 10 * kMiB, available * kMiB) << available;
    const std::size_t stay = count_tier(*residency, Tier::kResident);
    EXPECT_EQ(residency->read_bytes(groups, 3), (10 * stay + 3 * 10 * (10 - stay)) * kMiB);
  }
}

TEST(Residency, SpreadsResidentGroupsEvenly) {
  const auto groups = groups_of({10, 10, 10, 10, 10, 10, 10, 10});
  const auto residency = choose_residency(groups, (20 + 40) * kMiB);
  ASSERT_TRUE(residency);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    EXPECT_EQ(residency->tiers[i], i % 2 == 0 ? Tier::kResident : Tier::kStreamed) << i;
  }
}

TEST(Residency, SaysNothingWhenTwoSlotsDoNotFit) {
  const auto groups = groups_of({10, 30, 10});
  const std::size_t least = smallest_weights_bytes(groups);
  EXPECT_LE(least, 50 * kMiB);
  EXPECT_FALSE(choose_residency(groups, least - 1));
  EXPECT_TRUE(choose_residency(groups, least));
}

TEST(Residency, OfADiscreteDeviceFillsItsMemoryFirstThenTheHosts) {
  const auto groups = groups_of({10, 10, 10, 10, 10, 10, 10, 10});
  const std::size_t beside = smallest_weight_room(groups).host_bytes;
  const auto residency = choose_residency(groups, {(20 + 31) * kMiB, beside + 21 * kMiB});
  ASSERT_TRUE(residency);
  EXPECT_EQ(count_tier(*residency, Tier::kResident), 3u);
  EXPECT_EQ(count_tier(*residency, Tier::kStaged), 2u);
  EXPECT_EQ(residency->device_bytes(), 50 * kMiB);
  EXPECT_EQ(residency->host_bytes(), beside + 20 * kMiB);
  EXPECT_EQ(residency->read_bytes(groups, 4), (30 + 20 + 4 * 30) * kMiB);
  EXPECT_EQ(residency->pass_copy_bytes(groups), 50 * kMiB);
}

TEST(Residency, OfADiscreteDeviceNeedsRoomInBothMemories) {
  const auto groups = groups_of({10, 30, 10, 20});
  const WeightRoom least = smallest_weight_room(groups);
  EXPECT_EQ(least.device_bytes, 60 * kMiB);
  EXPECT_TRUE(choose_residency(groups, least));
  EXPECT_FALSE(choose_residency(groups, {least.device_bytes - 1, least.host_bytes}));
  EXPECT_FALSE(choose_residency(groups, {least.device_bytes, least.host_bytes - 1}));
  // What all lies in the device's memory needs a way there all the same.
  EXPECT_FALSE(choose_residency(groups, {100 * kMiB, least.host_bytes - 1}));
}

TEST(Residency, KeepsBothBudgetsUsesThemAndNeverReadsMoreForMore) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<GroupLayout> groups(1 + random() % 60);
    for (GroupLayout& group : groups) {
      group.device_bytes = 128 * (1 + random() % 100000);
      group.num_bytes = align_up(group.device_bytes + random() % 8192, kDirectAlignment);
    }
    const WeightRoom least = smallest_weight_room(groups);
    std::size_t last_resident_bytes = 0;
    for (std::size_t more = 0; more <= 8; ++more) {
      const std::size_t device_bytes = least.device_bytes + more * total_bytes(groups) / 8;
      std::size_t last_read_bytes = std::numeric_limits<std::size_t>::max();
      for (std::size_t host = 0; host <= 8; ++host) {
        const WeightRoom room = {device_bytes, least.host_bytes + host * total_bytes(groups) / 8};
        const auto residency = choose_residency(groups, room);
        ASSERT_TRUE(residency);
        EXPECT_LE(residency->device_bytes(), room.device_bytes);
        EXPECT_LE(residency->host_bytes(), room.host_bytes);
        for (std::size_t i = 0; i < groups.size(); ++i) {
          if (residency->tiers[i] == Tier::kResident) continue;
          EXPECT_GT(residency->device_bytes() + groups[i].device_bytes, room.device_bytes);
          if (residency->tiers[i] == Tier::kStaged) continue;
          EXPECT_GT(residency->host_bytes() + groups[i].num_bytes, room.host_bytes);
        }
        EXPECT_LE(residency->read_bytes(groups, 10), last_read_bytes);
        last_read_bytes = residency->read_bytes(groups, 10);
        EXPECT_GE(residency->resident_bytes, last_resident_bytes);
        last_resident_bytes = residency->resident_bytes;
      }
    }
  }
}

}  // namespace
}  // namespace steadyflux
