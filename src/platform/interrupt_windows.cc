#include <windows.h>

#include <atomic>

#include "base/error.h"
#include "platform/interrupt.h"

namespace steadyflux {
namespace {

// A console handler is given nothing: it reaches only what is static. The system calls it on a thread of its own.
struct InterruptState {
  std::atomic<bool> active = false;
  std::atomic<bool> interrupted = false;
};

InterruptState& state() {
  static InterruptState instance;
  return instance;
}

// An event that is not handled goes on to the system's handler, which ends the process.
BOOL WINAPI on_console_event(DWORD event) {
  if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT) return FALSE;
  return state().interrupted.exchange(true) ? FALSE : TRUE;
}

}  // namespace

InterruptGuard::InterruptGuard() {
  ensure(!state().active.exchange(true), "two InterruptGuards at once");
  state().interrupted = false;
  ::SetConsoleCtrlHandler(on_console_event, TRUE);
}

InterruptGuard::~InterruptGuard() {
  ::SetConsoleCtrlHandler(on_console_event, FALSE);
  state().active = false;
}

bool InterruptGuard::interrupted() const { return state().interrupted; }

}  // namespace steadyflux
