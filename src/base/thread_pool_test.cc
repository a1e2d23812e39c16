#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <vector>

#include "base/error.h"

namespace steadyflux {
namespace {

class ThreadPoolTest : public ::testing::TestWithParam<int> {};

TEST_P(ThreadPoolTest, RunsEveryTaskOnceInEveryBatch) {
  ThreadPool pool(GetParam());
  for (int batch = 0; batch < 200; ++batch) {
    std::vector<int> counts(static_cast<std::size_t>(batch), 0);
    pool.run(batch, [&](std::int64_t task, int worker) {
      EXPECT_GE(worker, 0);
      EXPECT_LT(worker, pool.num_threads());
      ++counts[static_cast<std::size_t>(task)];
    });
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0), batch);
    for (const int count : counts) EXPECT_EQ(count, 1);
  }
}

TEST_P(ThreadPoolTest, RethrowsATasksErrorAndStaysUsable) {
  ThreadPool pool(GetParam());
  const auto failing = [](std::int64_t task, int) {
    if (task == 3) fail(ErrorCode::kIo, "task three");
  };
  EXPECT_THROW(pool.run(50, failing), Error);
  std::atomic<int> count = 0;
  pool.run(50, [&](std::int64_t, int) { ++count; });
  EXPECT_EQ(count, 50);
}

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, ::testing::Values(1, 2, 7));

TEST(ThreadPool, RefusesLessThanOneThread) { EXPECT_THROW(ThreadPool(0), Error); }

}  // namespace
}  // namespace steadyflux
