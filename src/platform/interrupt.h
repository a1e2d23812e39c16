// Ctrl-C as a flag that loops can look at.
#pragma once

namespace steadyflux {

// While it lives, the first SIGINT or SIGTERM sets a flag instead of ending the process; a second one ends it as usual.
// Restores the earlier handling when destroyed. One at a time: a second guard throws Error(kInternal).
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  // Whether a signal has come. Any thread may ask.
  bool interrupted() const;
};

}  // namespace steadyflux
