#include "io/atomic_directory.h"

#include <string>
#include <system_error>

#include "base/error.h"
#include "io/temporary_name.h"
#include "platform/file_handle.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;

// "out/" and "out" are the same.
fs::path without_trailing_separator(const fs::path& path) { return path.has_filename() ? path : path.parent_path(); }

}  // namespace

AtomicDirectory::AtomicDirectory(const fs::path& path) : path_(without_trailing_separator(path)) {
  if (!path_.has_filename() || path_.filename() == "." || path_.filename() == "..") {
    fail(ErrorCode::kInvalidArgument, "'", path.string(), "' does not name a new directory");
  }
  std::error_code error;
  if (fs::exists(path_, error) && (!fs::is_directory(path_, error) || !fs::is_empty(path_, error))) {
    fail(ErrorCode::kInvalidArgument, path_.string(),
         " is there already, and nothing is overwritten; give the name of a new directory");
  }
  // A name is taken only by what a crashed process of the same number has left.
  constexpr int kMaxAttempts = 1000;
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    temporary_ = temporary_beside(path_, attempt);
    if (fs::create_directory(temporary_, error)) return;
    if (error) break;
  }
  fail(ErrorCode::kIo, "cannot make ", path_.string(), ": ", error ? error.message() : temporary_.string() + " exists");
}

AtomicDirectory::~AtomicDirectory() {
  if (temporary_.empty()) return;
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);
}

void AtomicDirectory::commit() {
  ensure(!temporary_.empty(), "second commit of ", path_.string());
  rename_durably(temporary_, path_);
  temporary_.clear();
}

}  // namespace steadyflux
