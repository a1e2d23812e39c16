// For tests: a directory of their own that goes away with them.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>

#include "platform/process.h"

namespace steadyflux {

// Creates an empty directory, distinct for every process and `name`, and removes it with all that is in it.
class TemporaryDir {
 public:
  // In `parent`, or where the system keeps such directories.
  explicit TemporaryDir(const std::string& name, const std::filesystem::path& parent = {})
      : path_((parent.empty() ? std::filesystem::temp_directory_path() : parent) /
              (name + '.' + std::to_string(process_id()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TemporaryDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDir(const TemporaryDir&) = delete;
  TemporaryDir& operator=(const TemporaryDir&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace steadyflux
