#include "memory/monitor.h"

#include <gtest/gtest.h>

#include <cstring>

#include "backend/reference/reference_backend.h"

namespace steadyflux {
namespace {

TEST(Monitor, SeesMemoryThatIsHeldAtTheEndOfAPhase) {
  constexpr std::size_t kBytes = 64u << 20;
  Monitor monitor;
  monitor.begin_phase("small");
  monitor.end_phase();
  monitor.begin_phase("large");
  const auto backend = make_reference_backend();
  {
    const auto region = backend->reserve(kBytes);
    std::memset(region->data(), 1, kBytes);
    monitor.end_phase();
  }
  ASSERT_EQ(monitor.phases().size(), 2u);
  const auto grown = monitor.phases()[1].peak_bytes - monitor.phases()[0].peak_bytes;
  EXPECT_GE(grown, kBytes - (1u << 20));
  EXPECT_LE(grown, kBytes + (4u << 20));
}

}  // namespace
}  // namespace steadyflux
