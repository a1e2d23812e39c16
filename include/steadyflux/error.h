// The one exception type of the library.
#pragma once

#include <stdexcept>
#include <string>

namespace steadyflux {

enum class ErrorCode {
  kInvalidArgument,  // the caller asked for something that can never work: a bad flag, size or prompt
  kInvalidFile,      // a file's content breaks its format or does not match the model
  kNotFound,         // a file, tensor or configuration key that must be there is absent
  kIo,               // the operating system refused a read, write or allocation
  kDoesNotFit,       // the request needs more memory than its budget, or the system now, has
  kUnsupported,      // well-formed, but a feature this build does not have
  kInternal,         // a broken promise of our own: always a bug
};

// what() says what went wrong, which file or tensor, what was expected against what was found, and what to try.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace steadyflux
