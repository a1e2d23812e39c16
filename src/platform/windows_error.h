// The last error of the Windows API, as an exception.
#pragma once

#include <windows.h>

#include <system_error>

#include "base/error.h"

namespace steadyflux {

// Throws an Error of `code`: `parts`, then what the system says about `error`, a value of GetLastError().
template <typename... Parts>
[[noreturn]] void fail_windows(ErrorCode code, DWORD error, const Parts&... parts) {
  fail(code, parts..., ": ", std::system_category().message(static_cast<int>(error)));
}

}  // namespace steadyflux
