// What the kernel counts for this process. Built without sanitizers only: they replace malloc and mlock and add memory
// of their own.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "platform/page_region.h"
#include "platform/process.h"
#include "platform/process_memory.h"
#include "platform/system_memory.h"

namespace steadyflux {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

TEST(PageRegion, IsResidentFromTheStartAndGoneAtTheEnd) {
  const std::uint64_t before = process_memory().anon_bytes;
  {
    const PageRegion region(64 * kMiB);
    EXPECT_GE(process_memory().anon_bytes, before + 60 * kMiB);
  }
  EXPECT_LE(process_memory().anon_bytes, before + 4 * kMiB);
}

TEST(PageRegion, WritingItFaultsNoMore) {
  PageRegion region(32 * kMiB);
  const std::uint64_t before = process_memory().minor_faults;
  std::fill(region.bytes().begin(), region.bytes().end(), std::byte{7});
  EXPECT_LE(process_memory().minor_faults, before + 64);
}

TEST(PageRegion, LockIsCountedWhereAllowed) {
  PageRegion region(page_bytes());
  const std::uint64_t before = process_memory().locked_bytes;
  const std::uint64_t expected = region.lock() ? before + page_bytes() : before;
  EXPECT_EQ(process_memory().locked_bytes, expected);
}

TEST(PageRegion, LocksUpToTheLimitAndNoFurther) {
  PageRegion region(page_bytes());
  const auto limit = lock_limit_bytes();
  EXPECT_EQ(region.lock(), !limit || *limit >= process_memory().locked_bytes + page_bytes());
}

TEST(ProcessMemory, PollingDoesNotGrowTheHeap) {
  const SystemFigures system;
  const auto look = [&] {
    process_memory();
    system.memory();
    system.pressure();
  };
  look();
  const auto before = mallinfo2().uordblks;
  for (int i = 0; i < 100; ++i) look();
  EXPECT_EQ(mallinfo2().uordblks, before);
}

TEST(ProcessMemory, PeakCanBeReset) {
  { const PageRegion region(64 * kMiB); }
  const std::uint64_t peak = process_memory().peak_resident_bytes;
  if (reset_peak_resident()) {
    EXPECT_LT(process_memory().peak_resident_bytes + 32 * kMiB, peak);
  } else {
    EXPECT_EQ(process_memory().peak_resident_bytes, peak);
  }
}

TEST(Process, HeapGoesBackToTheSystemWhenFreed) {
  limit_malloc_arenas();
  const std::uint64_t before = process_memory().anon_bytes;
  const auto fill = [] {
    std::vector<std::unique_ptr<std::vector<char>>> blocks;
    blocks.reserve(64);
    for (int i = 0; i < 64; ++i) blocks.push_back(std::make_unique<std::vector<char>>(1 << 20, 'x'));
  };
  std::thread(fill).join();
  fill();
  EXPECT_LT(process_memory().anon_bytes, before + (std::uint64_t{8} << 20));
}

}  // namespace
}  // namespace steadyflux
