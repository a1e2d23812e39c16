// The store on a device of its own memory, whose queues run by themselves and whose mistakes show.
#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "backend/reference/reference_backend.h"
#include "backend/simulated/simulated_device.h"
#include "base/error.h"
#include "format/safetensors.h"
#include "io/faulty_file.h"
#include "memory/streamed_store.h"
#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

constexpr std::int64_t kWidth = 5;
constexpr double kSlowSeconds = 0.003;

// A checkpoint of groups of two weights each, of unequal size, in one file.
class ThreeTiersTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kGroups = 9;

  ThreeTiersTest() : directory_("three_tiers") {
    std::vector<TensorBytes> tensors;
    std::vector<GroupSpec> specs;
    for (std::size_t group = 0; group < kGroups; ++group) {
      specs.push_back({"g" + std::to_string(group), {}});
      values_.emplace_back();
      for (const std::int64_t rows : {static_cast<std::int64_t>(1 + 777 * (group % 3)), std::int64_t{3}}) {
        const std::string name = "w" + std::to_string(tensors.size());
        auto& values = values_.back().emplace_back(static_cast<std::size_t>(rows * kWidth));
        for (float& value : values) value = static_cast<float>(random_());
        specs.back().weights.push_back({name, {rows, kWidth}});
        tensors.push_back({{name, DType::kF32, {rows, kWidth}}, std::as_bytes(std::span(values))});
      }
    }
    write_safetensors(directory_.path() / "model.safetensors", tensors);
    index_.emplace(WeightIndex::open(directory_.path(), "model"));
    layouts_ = place_groups(*index_, specs);
  }

  // Groups in the tiers given, through `num_slots` slots and two buffers that most groups do not fit in.
  Residency residency(std::vector<Tier> tiers, std::size_t num_slots = 2) const {
    Residency result;
    result.tiers = std::move(tiers);
    for (std::size_t i = 0; i < kGroups; ++i) {
      if (result.tiers[i] == Tier::kResident) result.resident_bytes += layouts_[i].device_bytes;
      if (result.tiers[i] == Tier::kStaged) result.staged_bytes += layouts_[i].num_bytes;
      result.slot_bytes = std::max(result.slot_bytes, layouts_[i].device_bytes);
    }
    result.num_slots = num_slots;
    result.staging_buffer_bytes = 8192;
    result.num_staging_buffers = 2;
    return result;
  }

  Residency random_residency() {
    std::vector<Tier> tiers;
    for (std::size_t i = 0; i < kGroups; ++i) tiers.push_back(static_cast<Tier>(random_() % 3));
    return residency(std::move(tiers), 1 + random_() % 3);
  }

  // Takes every group's weights out by the device's own work, `passes` times, and waits only at the end.
  void expect_the_files_content(Backend& device, const Residency& residency, std::size_t passes) {
    std::size_t results_bytes = 0;
    for (const GroupLayout& layout : layouts_) results_bytes += passes * layout.device_bytes;
    const auto results = device.reserve(results_bytes);
    std::vector<std::vector<Tensor>> taken;
    std::byte* memory = results->data();
    {
      StreamedStore store(device, *index_, layouts_, residency, passes);
      for (std::size_t i = 0; i < passes * kGroups; ++i) {
        const GroupLayout& layout = layouts_[i % kGroups];
        taken.push_back(bind_group_on_device(layout, memory));
        memory += layout.device_bytes;
        const Lease lease = store.acquire(i % kGroups);
        for (std::size_t w = 0; w < taken[i].size(); ++w) {
          device.run(ops::Add{.a = lease.tensors()[w], .out = taken[i][w]}, {});
        }
      }
    }
    for (std::size_t i = 0; i < taken.size(); ++i) {
      for (std::size_t w = 0; w < taken[i].size(); ++w) {
        const std::vector<float>& expected = values_[i % kGroups][w];
        std::vector<float> got(expected.size());
        device.download(taken[i][w], std::as_writable_bytes(std::span(got)));
        EXPECT_EQ(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)), 0)
            << "pass " << i / kGroups << ", group " << i % kGroups << ", weight " << w;
      }
    }
  }

  static std::unique_ptr<Backend> make_device(const SimulatedOptions& options) {
    return make_simulated_device(make_reference_backend, options);
  }

  std::mt19937 random_{1};
  TemporaryDir directory_;
  std::vector<std::vector<std::vector<float>>> values_;  // of each group's weights
  std::optional<WeightIndex> index_;
  std::vector<GroupLayout> layouts_;
};

TEST_F(ThreeTiersTest, EveryTierGivesTheFilesContent) {
  const auto device = make_device({});
  for (const Tier tier : {Tier::kResident, Tier::kStaged, Tier::kStreamed}) {
    expect_the_files_content(*device, residency(std::vector<Tier>(kGroups, tier)), 3);
  }
}

TEST_F(ThreeTiersTest, AnyMixtureGivesTheFilesContent) {
  const auto device = make_device({});
  for (int round = 0; round < 30; ++round) expect_the_files_content(*device, random_residency(), 3);
}

TEST_F(ThreeTiersTest, ComputingWaitsForSlowCopies) {
  const auto device = make_device({.copy_latency_seconds = kSlowSeconds});
  for (int round = 0; round < 3; ++round) expect_the_files_content(*device, random_residency(), 2);
}

TEST_F(ThreeTiersTest, CopiesWaitForSlowComputing) {
  const auto device = make_device({.compute_latency_seconds = kSlowSeconds});
  for (int round = 0; round < 3; ++round) expect_the_files_content(*device, random_residency(), 2);
}

TEST_F(ThreeTiersTest, TakesExactlyTheMemoryPlannedOnTheDevice) {
  const Residency mixed = random_residency();
  const auto device = make_device({.memory_bytes = mixed.device_bytes()});
  StreamedStore store(*device, *index_, layouts_, mixed, 1);
  EXPECT_EQ(device->device_memory().reserved_bytes, mixed.device_bytes());
}

TEST_F(ThreeTiersTest, ADeviceWithoutRoomIsAnError) {
  const Residency mixed = random_residency();
  const auto device = make_device({.memory_bytes = mixed.device_bytes() - 1});
  EXPECT_THROW(StreamedStore(*device, *index_, layouts_, mixed, 1), Error);
}

TEST_F(ThreeTiersTest, WaitsForItsCopiesWhenItIsDropped) {
  const auto device = make_device({.copy_latency_seconds = kSlowSeconds});
  for (std::size_t stop = 0; stop < kGroups; ++stop) {
    StreamedStore store(*device, *index_, layouts_, residency(std::vector<Tier>(kGroups, Tier::kStaged)), 1000);
    for (std::size_t group = 0; group < stop; ++group) store.acquire(group);
    // Until copies are on their way.
    std::this_thread::sleep_for(std::chrono::duration<double>(kSlowSeconds / 2));
  }
  // One into memory of a store that is gone would have failed.
  EXPECT_NO_THROW(device->wait(device->record(Stream::kCopy)));
}

TEST_F(ThreeTiersTest, AReadErrorReachesWhoWaitsInEveryTier) {
  const auto open_failing = [](const std::shared_ptr<const ReadableFile>& file) {
    return std::make_shared<FaultyFile>(file, Faults{.fail_every = 7});
  };
  const auto device = make_device({});
  for (const Tier tier : {Tier::kResident, Tier::kStaged, Tier::kStreamed}) {
    StreamedStore store(*device, *index_, layouts_, residency(std::vector<Tier>(kGroups, tier)), 2, open_failing);
    const auto acquire_all = [&] {
      for (std::size_t group = 0; group < kGroups; ++group) store.acquire(group);
    };
    EXPECT_THROW(acquire_all(), Error);
  }
}

}  // namespace
}  // namespace steadyflux
