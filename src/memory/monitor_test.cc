#include "memory/monitor.h"

#include <gtest/gtest.h>

#include <cstring>

#include "backend/reference/reference_backend.h"

namespace steadyflux {
namespace {

TEST(Monitor, SeesMemoryThatIsHeldAtTheEndOfAPhase) {
  constexpr std::size_t kBytes = 64u << 20;
  const SystemFigures system;
  PeakMeter peak;
  MonitorListener nobody;
  Monitor monitor({}, 0, system, peak, nobody);
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
  EXPECT_EQ(monitor.phases()[1].end_bytes, monitor.phases()[1].peak_bytes);
  EXPECT_EQ(peak.bytes(), monitor.phases()[1].peak_bytes);
  peak.reset();
  EXPECT_LT(monitor.sample(), monitor.phases()[1].peak_bytes);
  EXPECT_LT(peak.bytes(), monitor.phases()[1].peak_bytes);
}

}  // namespace
}  // namespace steadyflux
