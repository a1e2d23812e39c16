// The one pool of worker threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "base/function_ref.h"

namespace steadyflux {

// Runs batches of independent tasks. Holds num_threads - 1 threads; the caller of run() is worker 0.
// Tasks are handed out in order, one at a time, to whichever worker is free: what a task computes must not depend on
// the worker, so that results have the same bits for any thread count.
// Thread rule: one run() at a time; not reentrant from a task.
class ThreadPool {
 public:
  using Task = FunctionRef<void(std::int64_t task, int worker)>;

  // num_threads >= 1. Throws Error(kIo) when a thread cannot be started.
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return static_cast<int>(threads_.size()) + 1; }

  // Calls task(i, worker) for every i in [0, num_tasks), worker in [0, num_threads). Returns when all are done.
  // The first exception a task throws is thrown here after the rest have stopped. Allocates nothing.
  void run(std::int64_t num_tasks, Task task);

 private:
  void worker_loop(int worker);
  void work(int worker);

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  const Task* task_ = nullptr;  // guarded by mutex_ while a batch is set up, then read-only
  std::int64_t num_tasks_ = 0;  // likewise
  std::atomic<std::int64_t> next_ = 0;
  std::uint64_t generation_ = 0;  // guarded by mutex_
  int active_ = 0;                // guarded by mutex_: workers still in the current batch
  bool stop_ = false;             // guarded by mutex_
  std::exception_ptr error_;      // guarded by mutex_
};

// The number of processors this process may run on, at least 1.
int available_threads();

// `asked`, or as many as are available when it is 0.
int threads_or_available(int asked);

}  // namespace steadyflux
