#include <sys/ioctl.h>
#include <unistd.h>

#include "platform/terminal.h"

namespace steadyflux {
namespace {

int descriptor_of(OutputStream stream) { return stream == OutputStream::kStdout ? STDOUT_FILENO : STDERR_FILENO; }

}  // namespace

bool is_terminal(OutputStream stream) { return ::isatty(descriptor_of(stream)) == 1; }

int terminal_width(OutputStream stream, int fallback) {
  winsize size = {};
  if (::ioctl(descriptor_of(stream), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return fallback;
  return size.ws_col;
}

}  // namespace steadyflux
