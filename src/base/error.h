// The one exception type of the project.
//
// A failure says what went wrong, which file or tensor, what was expected against what was found, and what to try.
// Expected answers (a plan that does not fit, a cancelled run) are values, never exceptions.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace steadyflux {

enum class ErrorCode {
  kInvalidArgument,  // the caller asked for something that can never work: a bad flag, size or prompt file
  kInvalidFile,      // a file's content breaks its format or does not match the model
  kNotFound,         // a file, tensor or configuration key that must be there is absent
  kIo,               // the operating system refused a read, write or allocation
  kUnsupported,      // well-formed, but a feature this build does not have
  kInternal,         // a broken promise of our own: always a bug
};

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

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
