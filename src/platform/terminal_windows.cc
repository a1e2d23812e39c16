#include "platform/terminal.h"

#include <windows.h>

namespace steadyflux {
namespace {

HANDLE handle_of(OutputStream stream) {
  return ::GetStdHandle(stream == OutputStream::kStdout ? STD_OUTPUT_HANDLE : STD_ERROR_HANDLE);
}

}  // namespace

bool is_terminal(OutputStream stream) {
  DWORD mode = 0;
  return ::GetConsoleMode(handle_of(stream), &mode) != 0;
}

int terminal_width(OutputStream stream, int fallback) {
  CONSOLE_SCREEN_BUFFER_INFO info = {};
  if (::GetConsoleScreenBufferInfo(handle_of(stream), &info) == 0) return fallback;
  return info.srWindow.Right - info.srWindow.Left + 1;
}

}  // namespace steadyflux
