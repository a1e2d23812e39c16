// The tensor on its way through a network whose resolution changes.
#pragma once

#include <array>
#include <optional>

#include "backend/executor.h"

namespace steadyflux {

// Holds the current pixels at one end of the arena; the next ones are made at the other end, so that the current ones
// can go as soon as they are read. Two tensors of neighbouring layers are all that is ever held.
// Borrows the executor. Thread rule: one thread.
class PixelRelay {
 public:
  PixelRelay(const Executor& executor, DType activations) : executor_(&executor), activations_(activations) {}

  const Tensor& current() const { return current_; }

  // The current tensor has become another in the same memory.
  void reshape(const Tensor& view) { current_ = view; }

  // An uninitialised successor [height, width, channels].
  Tensor next(std::int64_t height, std::int64_t width, std::int64_t channels) {
    scopes_[next_end_].emplace(executor_->arena(), end());
    successor_ = executor_->arena().allocate(activations_, {height, width, channels}, end());
    return successor_;
  }

  // The successor becomes the current tensor and the old one is given back. Nothing that was allocated after the old
  // one at its end may be held.
  void advance() {
    current_ = successor_;
    next_end_ = 1 - next_end_;
    scopes_[next_end_].reset();
  }

 private:
  ArenaEnd end() const { return next_end_ == 0 ? ArenaEnd::kNear : ArenaEnd::kFar; }

  const Executor* executor_;
  DType activations_;
  Tensor current_;
  Tensor successor_;
  std::array<std::optional<ArenaScope>, 2> scopes_;
  std::size_t next_end_ = 0;
};

}  // namespace steadyflux
