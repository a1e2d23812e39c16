#include "backend/simulated/simulated_device.h"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cmath>
#include <memory>
#include <span>
#include <vector>

#include "backend/reference/reference_backend.h"
#include "base/error.h"

namespace steadyflux {
namespace {

constexpr std::int64_t kCount = 64;
constexpr std::size_t kBytes = kCount * sizeof(float);
constexpr double kSlowSeconds = 0.02;

std::unique_ptr<Backend> make_device(const SimulatedOptions& options = {}) {
  return make_simulated_device(make_reference_backend, options);
}

Tensor row_at(std::byte* address) { return {address, DType::kF32, {1, kCount}}; }

void upload(Backend& device, const Tensor& tensor, float value) {
  const std::vector<float> values(kCount, value);
  device.upload(std::as_bytes(std::span(values)), tensor);
}

float download_first(Backend& device, const Tensor& tensor) {
  std::vector<float> values(kCount);
  device.download(tensor, std::as_writable_bytes(std::span(values)));
  return values[0];
}

// Host memory that the device may copy from, holding `value`s.
std::unique_ptr<Region> staging_of(Backend& device, float value) {
  auto region = device.reserve_host(kBytes);
  std::fill_n(reinterpret_cast<float*>(region->data()), kCount, value);
  return region;
}

std::span<const std::byte> bytes_of(const Region& region) { return {region.data(), region.size_bytes()}; }

TEST(SimulatedDevice, ComputesInItsOwnMemory) {
  const auto device = make_device();
  const auto memory = device->reserve(3 * kBytes);
  const Tensor a = row_at(memory->data());
  const Tensor b = row_at(memory->data() + kBytes);
  const Tensor out = row_at(memory->data() + 2 * kBytes);
  upload(*device, a, 2);
  upload(*device, b, 3);
  device->run(ops::Add{.a = a, .b = b, .out = out}, {});
  EXPECT_EQ(download_first(*device, out), 5);
}

TEST(SimulatedDevice, HoldsThePartsOfAnOperationItself) {
  const auto device = make_device({.compute_latency_seconds = kSlowSeconds});
  const auto memory = device->reserve(2 * kBytes + kCount * kBytes);
  const Tensor x = row_at(memory->data());
  const Tensor out = row_at(memory->data() + kBytes);
  const Tensor weight(memory->data() + 2 * kBytes, DType::kF32, {kCount, kCount});
  upload(*device, x, 1);
  const std::vector<float> ones(kCount * kCount, 1);
  device->upload(std::as_bytes(std::span(ones)), weight);
  {
    std::array parts = {ops::LinearPart{.linear = {.weight = weight}, .out = out}};
    device->run(ops::LinearMany{x, parts}, {});
    parts[0] = {};
  }
  EXPECT_EQ(download_first(*device, out), static_cast<float>(kCount));
}

TEST(SimulatedDevice, MemoryStartsAsNotANumber) {
  const auto device = make_device();
  const auto memory = device->reserve(kBytes);
  EXPECT_TRUE(std::isnan(download_first(*device, row_at(memory->data()))));
}

TEST(SimulatedDevice, GivesNoMoreMemoryThanItHas) {
  const auto device = make_device({.memory_bytes = 1000, .overhead_bytes = 200});
  auto most = device->reserve(700);
  EXPECT_EQ(device->device_memory().reserved_bytes, 700u);
  EXPECT_THROW(device->reserve(101), Error);
  const auto rest = device->reserve(100);
  most.reset();
  EXPECT_EQ(device->device_memory().reserved_bytes, 100u);
  EXPECT_NO_THROW(device->reserve(700));
}

TEST(SimulatedDeviceDeathTest, HostCodeThatTouchesItsMemoryStops) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto device = make_device();
  const auto memory = device->reserve(kBytes);
  EXPECT_DEATH(*reinterpret_cast<volatile float*>(memory->data()) = 1, "");
}

TEST(SimulatedDevice, WorkOnMemoryThatWasGivenBackFails) {
  const auto device = make_device({.compute_latency_seconds = kSlowSeconds});
  auto memory = device->reserve(2 * kBytes);
  device->run(ops::Add{.a = row_at(memory->data()), .out = row_at(memory->data() + kBytes)}, {});
  memory.reset();
  EXPECT_THROW(device->wait(device->record(Stream::kCompute)), Error);
}

TEST(SimulatedDevice, WorkOutsideARegionFails) {
  const auto device = make_device();
  const auto memory = device->reserve(2 * kBytes);
  device->run(ops::Add{.a = row_at(memory->data()), .out = row_at(memory->data() + kBytes + 4)}, {});
  EXPECT_THROW(device->wait(device->record(Stream::kCompute)), Error);
}

TEST(SimulatedDevice, RunReturnsBeforeTheWorkIsDone) {
  const auto device = make_device({.compute_latency_seconds = kSlowSeconds});
  const auto memory = device->reserve(2 * kBytes);
  const Tensor a = row_at(memory->data());
  const Tensor b = row_at(memory->data() + kBytes);
  upload(*device, a, 1);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 5; ++i) device->run(ops::Add{.a = a, .out = b}, {});
  const auto given = std::chrono::steady_clock::now();
  device->wait(device->record(Stream::kCompute));
  const auto done = std::chrono::steady_clock::now();
  EXPECT_LT(given - begin, done - given);
  EXPECT_GE(std::chrono::duration<double>(done - begin).count(), 5 * kSlowSeconds);
}

// Races made on purpose: the build with the thread sanitizer leaves these out. Their copies are so slow that a busy
// machine reaches the racing line before they end.
TEST(SimulatedDeviceRace, ACopyThatIsNotWaitedForShows) {
  const auto device = make_device({.copy_latency_seconds = 0.5});
  const auto staging = staging_of(*device, 7);
  const auto memory = device->reserve(2 * kBytes);
  const Tensor slot = row_at(memory->data());
  const Tensor out = row_at(memory->data() + kBytes);

  Event copied = device->copy_async(bytes_of(*staging), slot.data);
  device->run(ops::Add{.a = slot, .out = out}, {});
  EXPECT_TRUE(std::isnan(download_first(*device, out)));

  device->wait_on(Stream::kCompute, copied);
  device->run(ops::Add{.a = slot, .out = out}, {});
  EXPECT_EQ(download_first(*device, out), 7);
}

TEST(SimulatedDeviceRace, ACopyReadsTheHostsMemoryAtItsEnd) {
  const auto device = make_device({.copy_latency_seconds = 0.5});
  const auto staging = staging_of(*device, 7);
  const auto memory = device->reserve(kBytes);
  const Event copied = device->copy_async(bytes_of(*staging), memory->data());
  *reinterpret_cast<float*>(staging->data()) = 8;
  device->wait(copied);
  EXPECT_EQ(download_first(*device, row_at(memory->data())), 8);
}

TEST(SimulatedDevice, CopiesWaitForTheComputingTheyAreToldToWaitFor) {
  const auto device = make_device({.compute_latency_seconds = kSlowSeconds});
  const auto staging = staging_of(*device, 7);
  const auto memory = device->reserve(2 * kBytes);
  const Tensor slot = row_at(memory->data());
  const Tensor out = row_at(memory->data() + kBytes);
  upload(*device, slot, 1);
  device->run(ops::Add{.a = slot, .out = out}, {});
  device->wait_on(Stream::kCopy, device->record(Stream::kCompute));
  device->wait(device->copy_async(bytes_of(*staging), slot.data));
  EXPECT_EQ(download_first(*device, out), 1);
  EXPECT_EQ(download_first(*device, slot), 7);
}

TEST(SimulatedDevice, CopiesTakeTheTimeTheirRateAsksFor) {
  const auto device = make_device({.copy_bytes_per_second = kBytes / kSlowSeconds});
  const auto staging = staging_of(*device, 7);
  const auto memory = device->reserve(kBytes);
  const auto begin = std::chrono::steady_clock::now();
  device->wait(device->copy_async(bytes_of(*staging), memory->data()));
  EXPECT_GE(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(), kSlowSeconds);
}

TEST(SimulatedDevice, CopiesTakeOnlyMemoryMadeForThem) {
  const auto device = make_device();
  const auto memory = device->reserve(kBytes);
  const std::vector<std::byte> pageable(kBytes);
  EXPECT_THROW(device->copy_async(pageable, memory->data()), Error);
}

TEST(SimulatedDevice, MayBeDroppedWithWorkInBothQueues) {
  auto device = make_device({.copy_latency_seconds = kSlowSeconds, .compute_latency_seconds = kSlowSeconds});
  const auto staging = staging_of(*device, 7);
  const auto memory = device->reserve(2 * kBytes);
  const Tensor slot = row_at(memory->data());
  for (int i = 0; i < 2; ++i) {
    device->wait_on(Stream::kCompute, device->copy_async(bytes_of(*staging), slot.data));
    device->run(ops::Add{.a = slot, .out = row_at(memory->data() + kBytes)}, {});
    device->wait_on(Stream::kCopy, device->record(Stream::kCompute));
  }
  device->wait(device->record(Stream::kCompute));
}

}  // namespace
}  // namespace steadyflux
