// Runs the real command as a child process and keeps what it said.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace steadyflux::e2e {

// Limits and surroundings of a child.
struct Surroundings {
  std::chrono::seconds patience{120};                // killed after this long
  std::optional<std::uint64_t> max_file_bytes = {};  // RLIMIT_FSIZE: the kernel refuses to write files beyond it
  bool respect_permissions = false;                  // a child of root loses the right to write anywhere
  std::string stdout_path = {};                      // a file or device instead of Outcome::out
  std::vector<std::string> environment = {};         // "NAME=value", added to the test's own
};

struct Outcome {
  int exit_code = -1;      // -1 when a signal ended it
  int signal = 0;          // that ended it, or 0
  bool timed_out = false;  // it was killed for taking too long
  std::string out;         // stdout
  std::string err;         // stderr
  std::uint64_t peak_resident_bytes = 0;
};

// A running child. Destroyed while it runs, it is killed.
class Program {
 public:
  // Starts the command with `arguments` (without its own name). Throws std::system_error.
  explicit Program(std::vector<std::string> arguments, Surroundings surroundings = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  // Waits until stderr contains `text`; false when the child ended or patience ran out first.
  bool wait_for_words(const std::string& text);
  void send(int signal);
  // Waits for its end.
  Outcome finish();

 private:
  // Reads what is there, waiting at most a moment; false once both pipes are closed.
  bool read_more();
  bool patience_left() const;

  Surroundings surroundings_;
  pid_t child_ = -1;
  int out_ = -1;
  int err_ = -1;
  std::chrono::steady_clock::time_point begin_;
  Outcome outcome_;
};

// Runs it to its end.
Outcome run(std::vector<std::string> arguments, Surroundings surroundings = {});

}  // namespace steadyflux::e2e
