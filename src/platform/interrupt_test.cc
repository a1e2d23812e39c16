#include "platform/interrupt.h"

#include <gtest/gtest.h>
#include <signal.h>

#include "base/error.h"

namespace steadyflux {
namespace {

TEST(InterruptGuard, FirstSignalSetsTheFlag) {
  for (const int signal_number : {SIGINT, SIGTERM}) {
    const InterruptGuard guard;
    EXPECT_FALSE(guard.interrupted());
    raise(signal_number);
    EXPECT_TRUE(guard.interrupted());
  }
}

TEST(InterruptGuardDeathTest, SecondSignalEndsTheProcess) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        const InterruptGuard guard;
        raise(SIGINT);
        raise(SIGTERM);
      },
      testing::KilledBySignal(SIGTERM), "");
}

TEST(InterruptGuard, RestoresTheEarlierHandler) {
  struct sigaction before = {};
  struct sigaction after = {};
  sigaction(SIGINT, nullptr, &before);
  { const InterruptGuard guard; }
  sigaction(SIGINT, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
}

TEST(InterruptGuard, OnlyOneAtATime) {
  const InterruptGuard guard;
  EXPECT_THROW(InterruptGuard(), Error);
  raise(SIGINT);
  EXPECT_TRUE(guard.interrupted());
}

}  // namespace
}  // namespace steadyflux
