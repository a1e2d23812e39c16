// What the program's output streams are connected to.
#pragma once

namespace steadyflux {

enum class OutputStream { kStdout, kStderr };

bool is_terminal(OutputStream stream);

// Columns of the terminal; `fallback` when it is none or does not say.
int terminal_width(OutputStream stream, int fallback = 80);

}  // namespace steadyflux
