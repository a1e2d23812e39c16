// Memory as the kernel counts it: sanitizers replace the calls that lock it.
#include <gtest/gtest.h>

#include "backend/cpu/cpu_backend.h"
#include "platform/page_region.h"
#include "platform/process_memory.h"

namespace steadyflux {
namespace {

TEST(CpuBackend, LocksItsRegionsWhenToldToAndAllowed) {
  constexpr std::size_t kBytes = 16 * 4096;
  const std::uint64_t before = process_memory().locked_bytes;
  const auto limit = lock_limit_bytes();
  const bool allowed = !limit || *limit >= before + kBytes;
  const auto unlocked = make_cpu_backend({.num_threads = 1})->reserve(kBytes);
  EXPECT_EQ(process_memory().locked_bytes, before);
  const auto locked = make_cpu_backend({.num_threads = 1, .lock_memory = true})->reserve(kBytes);
  EXPECT_EQ(process_memory().locked_bytes, before + (allowed ? kBytes : 0));
}

}  // namespace
}  // namespace steadyflux
