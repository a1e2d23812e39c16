#include "platform/process.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <memory>
#include <thread>
#include <vector>

#include "platform/process_memory.h"
#include "platform/terminal.h"

namespace steadyflux {
namespace {

TEST(Process, KnowsItsDirectory) {
  EXPECT_TRUE(std::filesystem::is_directory(executable_dir()));
  EXPECT_TRUE(std::filesystem::exists(executable_dir() / std::filesystem::read_symlink("/proc/self/exe").filename()));
}

TEST(Process, HeapGoesBackToTheSystemWhenFreed) {
  limit_malloc_arenas();
  const std::uint64_t before = process_memory().anon_bytes;
  const auto fill = [] {
    std::vector<std::unique_ptr<std::vector<char>>> blocks;
    for (int i = 0; i < 64; ++i) blocks.push_back(std::make_unique<std::vector<char>>(1 << 20, 'x'));
  };
  std::thread(fill).join();
  fill();
  EXPECT_LT(process_memory().anon_bytes, before + (std::uint64_t{8} << 20));
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
