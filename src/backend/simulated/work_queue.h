// A queue of work that a thread of its own does piece by piece.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace steadyflux::simulated {

// Owns its thread. After a piece has thrown, the rest is dropped.
// Thread rule: any thread.
class WorkQueue {
 public:
  WorkQueue();
  // Does what was given before it returns.
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  // The number of the piece: the first has 1.
  std::uint64_t submit(std::function<void()> work);
  // Of the piece given last; 0 before the first.
  std::uint64_t last() const;
  // Returns when the piece is done or dropped.
  void wait(std::uint64_t number) const;
  // What the first piece that failed has thrown.
  std::exception_ptr error() const;

 private:
  void work();

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<std::function<void()>> pending_;  // all below guarded by mutex_
  std::uint64_t num_given_ = 0;
  std::uint64_t num_done_ = 0;
  std::exception_ptr error_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace steadyflux::simulated
