// How many threads oneDNN may use.
#pragma once

namespace steadyflux::cpu {

// While one lives, library code called from this thread runs on so many threads: with 1, on this thread alone, and none
// is ever started. The setting before is restored. oneDNN reads it both when a primitive is made and when it runs.
class LibraryThreads {
 public:
  explicit LibraryThreads(int num_threads);
  ~LibraryThreads();
  LibraryThreads(const LibraryThreads&) = delete;
  LibraryThreads& operator=(const LibraryThreads&) = delete;

 private:
  int previous_;
};

}  // namespace steadyflux::cpu
