#include "platform/process.h"

#include <gtest/gtest.h>

#include "platform/terminal.h"

namespace steadyflux {
namespace {

TEST(Process, KnowsItsDirectory) {
  EXPECT_TRUE(std::filesystem::is_directory(executable_dir()));
  EXPECT_TRUE(std::filesystem::exists(executable_dir() / std::filesystem::read_symlink("/proc/self/exe").filename()));
}

TEST(Terminal, WidthFallsBackWhereThereIsNoTerminal) {
  if (is_terminal(OutputStream::kStdout)) {
    EXPECT_GT(terminal_width(OutputStream::kStdout), 0);
  } else {
    EXPECT_EQ(terminal_width(OutputStream::kStdout, 72), 72);
  }
}

}  // namespace
}  // namespace steadyflux
