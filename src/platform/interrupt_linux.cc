#include <signal.h>

#include <atomic>

#include "base/error.h"
#include "platform/interrupt.h"

namespace steadyflux {
namespace {

// A signal handler reaches nothing but what is static.
struct InterruptState {
  std::atomic<bool> active = false;
  std::atomic<bool> interrupted = false;
  struct sigaction old_interrupt = {};
  struct sigaction old_terminate = {};
};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may not lock");

InterruptState& state() {
  static InterruptState instance;
  return instance;
}

extern "C" void steadyflux_on_interrupt(int signal_number) {
  if (!state().interrupted.exchange(true)) return;
  // The second one: it is blocked until this handler returns and then ends the process.
  ::signal(signal_number, SIG_DFL);
  ::raise(signal_number);
}

}  // namespace

InterruptGuard::InterruptGuard() {
  ensure(!state().active.exchange(true), "two InterruptGuards at once");
  state().interrupted = false;
  struct sigaction action = {};
  action.sa_handler = steadyflux_on_interrupt;
  ::sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGINT, &action, &state().old_interrupt);
  ::sigaction(SIGTERM, &action, &state().old_terminate);
}

InterruptGuard::~InterruptGuard() {
  ::sigaction(SIGINT, &state().old_interrupt, nullptr);
  ::sigaction(SIGTERM, &state().old_terminate, nullptr);
  state().active = false;
}

bool InterruptGuard::interrupted() const { return state().interrupted; }

}  // namespace steadyflux
