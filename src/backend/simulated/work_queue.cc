#include "backend/simulated/work_queue.h"

#include <utility>

namespace steadyflux::simulated {

WorkQueue::WorkQueue() : thread_([this] { work(); }) {}

WorkQueue::~WorkQueue() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

std::uint64_t WorkQueue::submit(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  pending_.push_back(std::move(work));
  changed_.notify_all();
  return ++num_given_;
}

std::uint64_t WorkQueue::last() const {
  const std::lock_guard lock(mutex_);
  return num_given_;
}

void WorkQueue::wait(std::uint64_t number) const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return num_done_ >= number; });
}

std::exception_ptr WorkQueue::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

void WorkQueue::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return !pending_.empty() || stop_; });
    if (pending_.empty()) return;
    std::function<void()> piece = std::exchange(pending_.front(), nullptr);
    pending_.pop_front();
    if (!error_) {
      lock.unlock();
      std::exception_ptr thrown;
      try {
        piece();
      } catch (...) {
        thrown = std::current_exception();
      }
      piece = nullptr;
      lock.lock();
      error_ = thrown;
    }
    ++num_done_;
    changed_.notify_all();
  }
}

}  // namespace steadyflux::simulated
