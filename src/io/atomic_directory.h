// A directory of files that appears whole or not at all.
#pragma once

#include <filesystem>

namespace steadyflux {

// A new directory that appears under its name only when everything is in it: filled beside it under a hidden name, then
// renamed. Destroyed without commit(), it leaves no trace. Thread rule: one thread at a time.
class AtomicDirectory {
 public:
  // Throws Error(kInvalidArgument) when `path` names something that is there and no empty directory; Error(kIo) naming
  // it when the directory around it is missing or not writable.
  explicit AtomicDirectory(const std::filesystem::path& path);
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  // Where to put what shall be in it.
  const std::filesystem::path& path() const { return temporary_; }

  // Makes it durable and visible. Call once, last. Throws Error(kIo).
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path temporary_;  // empty once committed
};

}  // namespace steadyflux
