#include "base/thread_pool.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/error.h"

namespace steadyflux {

ThreadPool::ThreadPool(int num_threads) {
  if (num_threads < 1) fail(ErrorCode::kInvalidArgument, "a thread pool needs at least 1 thread, not ", num_threads);
  threads_.reserve(static_cast<std::size_t>(num_threads - 1));
  try {
    for (int worker = 1; worker < num_threads; ++worker) {
      threads_.emplace_back([this, worker] { worker_loop(worker); });
    }
  } catch (const std::system_error& error) {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    for (auto& thread : threads_) thread.join();
    fail(ErrorCode::kIo, "could not start ", num_threads, " threads: ", error.what(), "; try a smaller --threads");
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void ThreadPool::run(std::int64_t num_tasks, Task task) {
  if (num_tasks <= 0) return;
  if (threads_.empty() || num_tasks == 1) {
    for (std::int64_t i = 0; i < num_tasks; ++i) task(i, 0);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    task_ = &task;
    num_tasks_ = num_tasks;
    next_.store(0, std::memory_order_relaxed);
    error_ = nullptr;
    active_ = static_cast<int>(threads_.size());
    ++generation_;
  }
  wake_.notify_all();
  work(0);
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return active_ == 0; });
  task_ = nullptr;
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void ThreadPool::worker_loop(int worker) {
  std::uint64_t seen = 0;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || generation_ != seen; });
      if (stop_) return;
      seen = generation_;
    }
    work(worker);
    bool last = false;
    {
      const std::lock_guard lock(mutex_);
      last = --active_ == 0;
    }
    if (last) done_.notify_one();
  }
}

void ThreadPool::work(int worker) {
  for (;;) {
    const std::int64_t i = next_.fetch_add(1, std::memory_order_relaxed);
    if (i >= num_tasks_) return;
    try {
      (*task_)(i, worker);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
      next_.store(num_tasks_, std::memory_order_relaxed);
    }
  }
}

int available_threads() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

int threads_or_available(int asked) { return asked > 0 ? asked : available_threads(); }

}  // namespace steadyflux
