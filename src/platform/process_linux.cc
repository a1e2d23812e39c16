#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <string_view>
#include <system_error>

#include "base/error.h"
#include "platform/process.h"

namespace steadyflux {
namespace {

constexpr int kChildFailed = 1;

[[noreturn]] void fail_errno(const char* what) {
  const int error = errno;
  fail(ErrorCode::kIo, "cannot ", what, ": ", std::generic_category().message(error));
}

bool write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(descriptor, text.data(), text.size());
    if (put < 0 && errno != EINTR) return false;
    if (put > 0) text.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

std::string read_to_end(int descriptor) {
  std::string text;
  std::array<char, 4096> piece;
  for (;;) {
    const ssize_t got = ::read(descriptor, piece.data(), piece.size());
    if (got == 0) return text;
    if (got > 0) text.append(piece.data(), static_cast<std::size_t>(got));
    if (got < 0 && errno != EINTR) fail_errno("read what a child says");
  }
}

// Leaves without running what the parent has left to do.
[[noreturn]] void be_child(int out, FunctionRef<std::string()> work) {
  int exit_code = kChildFailed;
  try {
    if (write_all(out, work())) exit_code = 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << std::endl;
  }
  ::_exit(exit_code);
}

}  // namespace

std::filesystem::path executable_dir() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) fail(ErrorCode::kIo, "cannot find the running program's directory: ", error.message());
  return program.parent_path();
}

std::filesystem::path scratch_directory() {
  const char* chosen = std::getenv("TMPDIR");
  return chosen != nullptr && *chosen != '\0' ? chosen : "/var/tmp";
}

long process_id() { return ::getpid(); }

void limit_malloc_arenas() {
  // Setting any of the three thresholds also stops glibc from adjusting them as the program runs.
  constexpr int kThresholdBytes = 256 * 1024;
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_MMAP_THRESHOLD, kThresholdBytes);
  ::mallopt(M_TRIM_THRESHOLD, kThresholdBytes);
}

void release_free_heap() { ::malloc_trim(0); }

std::string run_in_child(FunctionRef<std::string()> work) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail_errno("make a pipe");
  const pid_t child = ::fork();
  if (child < 0) fail_errno("start a child process");
  if (child == 0) be_child(ends[1], work);
  ::close(ends[1]);
  std::string text = read_to_end(ends[0]);
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) fail_errno("wait for a child process");
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail(ErrorCode::kInternal, "a child process failed");
  return text;
}

void ignore_file_size_signal() { ::signal(SIGXFSZ, SIG_IGN); }

}  // namespace steadyflux
