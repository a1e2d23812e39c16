#include "e2e/program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

namespace steadyflux::e2e {
namespace {

constexpr unsigned long kOverridePermissions = 1;  // CAP_DAC_OVERRIDE in <linux/capability.h>
constexpr int kCouldNotStart = 127;

[[noreturn]] void fail_system(const char* action) { throw std::system_error(errno, std::generic_category(), action); }

std::array<int, 2> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail_system("pipe2");
  return ends;
}

// Sanitizers report with an exit code that the command itself never has.
void mark_sanitizer_failures() {
  ::setenv("ASAN_OPTIONS", "exitcode=99", 0);
  ::setenv("UBSAN_OPTIONS", "exitcode=99:print_stacktrace=1", 0);
  ::setenv("LSAN_OPTIONS", "exitcode=99", 0);
  ::setenv("TSAN_OPTIONS", "exitcode=99", 0);
}

[[noreturn]] void become(std::vector<std::string>& arguments, const Surroundings& surroundings, int out, int err) {
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  if (!surroundings.stdout_path.empty()) {
    ::dup2(::open(surroundings.stdout_path.c_str(), O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
  }
  if (surroundings.max_file_bytes) {
    const rlimit limit{*surroundings.max_file_bytes, *surroundings.max_file_bytes};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  // After exec, a root process has only the capabilities of its bounding set. Others never had this one.
  if (surroundings.respect_permissions) ::prctl(PR_CAPBSET_DROP, kOverridePermissions, 0, 0, 0);
  mark_sanitizer_failures();
  // What one test computed is nothing to another, and a user's home is not for tests.
  ::setenv("STEADYFLUX_PROMPT_CACHE", "off", 0);
  for (const std::string& variable : surroundings.environment) {
    const auto equals = variable.find('=');
    ::setenv(variable.substr(0, equals).c_str(), variable.substr(equals + 1).c_str(), 1);
  }
  std::string name = "steadyflux";
  std::vector<char*> argv = {name.data()};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  ::execv(STEADYFLUX_PROGRAM, argv.data());
  ::_exit(kCouldNotStart);
}

// Appends what can be read now; false and closes it at the end.
bool drain(int& descriptor, std::string& text) {
  std::array<char, 4096> buffer;
  const ssize_t got = ::read(descriptor, buffer.data(), buffer.size());
  if (got > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(got));
    return true;
  }
  if (got < 0 && errno == EINTR) return true;
  ::close(std::exchange(descriptor, -1));
  return false;
}

}  // namespace

Program::Program(std::vector<std::string> arguments, Surroundings surroundings)
    : surroundings_(std::move(surroundings)), begin_(std::chrono::steady_clock::now()) {
  const auto out = make_pipe();
  const auto err = make_pipe();
  child_ = ::fork();
  if (child_ < 0) fail_system("fork");
  if (child_ == 0) become(arguments, surroundings_, out[1], err[1]);
  ::close(out[1]);
  ::close(err[1]);
  out_ = out[0];
  err_ = err[0];
}

Program::~Program() {
  if (out_ >= 0) ::close(out_);
  if (err_ >= 0) ::close(err_);
  if (child_ < 0) return;
  ::kill(child_, SIGKILL);
  ::waitpid(child_, nullptr, 0);
}

bool Program::patience_left() const { return std::chrono::steady_clock::now() - begin_ < surroundings_.patience; }

bool Program::read_more() {
  constexpr int kMomentMs = 50;
  std::array<pollfd, 2> ends = {pollfd{out_, POLLIN, 0}, pollfd{err_, POLLIN, 0}};  // poll passes over -1
  if (::poll(ends.data(), ends.size(), kMomentMs) > 0) {
    if (ends[0].revents != 0) drain(out_, outcome_.out);
    if (ends[1].revents != 0) drain(err_, outcome_.err);
  }
  return out_ >= 0 || err_ >= 0;
}

bool Program::wait_for_words(const std::string& text) {
  while (outcome_.err.find(text) == std::string::npos) {
    if (!patience_left() || !read_more()) return outcome_.err.find(text) != std::string::npos;
  }
  return true;
}

void Program::send(int signal) { ::kill(child_, signal); }

Outcome Program::finish() {
  while (read_more()) {
    if (patience_left() || outcome_.timed_out) continue;
    outcome_.timed_out = true;
    ::kill(child_, SIGKILL);
  }
  int status = 0;
  rusage usage = {};
  if (::wait4(std::exchange(child_, -1), &status, 0, &usage) < 0) fail_system("wait4");
  if (WIFEXITED(status)) outcome_.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) outcome_.signal = WTERMSIG(status);
  outcome_.peak_resident_bytes = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
  return outcome_;
}

Outcome run(std::vector<std::string> arguments, Surroundings surroundings) {
  return Program(std::move(arguments), std::move(surroundings)).finish();
}

}  // namespace steadyflux::e2e
