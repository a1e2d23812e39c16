// Ways to throw the one exception type of the project.
//
// A failure says what went wrong, which file or tensor, what was expected against what was found, and what to try.
// Expected answers (a plan that does not fit, a cancelled run) are values, never exceptions.
#pragma once

#include <sstream>

#include "steadyflux/error.h"

namespace steadyflux {

// Throws an Error whose message is the concatenation of `parts` as an ostream prints them.
template <typename... Parts>
[[noreturn]] void fail(ErrorCode code, const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw Error(code, message.str());
}

// Throws kInternal when a promise between our own parts is broken; active in every build.
template <typename... Parts>
void ensure(bool condition, const Parts&... parts) {
  if (!condition) fail(ErrorCode::kInternal, "internal error: ", parts...);
}

}  // namespace steadyflux
