#include "io/file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/expect_error.h"
#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  std::size_t num_files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory_), fs::directory_iterator()));
  }
  static std::string content(const fs::path& path) { return read_whole_file(path, 1 << 20); }

  TemporaryDir temporary_{"file_test"};
  const fs::path directory_ = temporary_.path();
};

TEST_F(FileTest, ReadsAtAnyOffset) {
  const fs::path path = directory_ / "digits";
  std::ofstream(path) << "0123456789";
  const auto file = open_file(path);
  EXPECT_EQ(file->size(), 10U);
  EXPECT_EQ(file->name(), path.string());
  std::string part(3, ' ');
  file->read(7, std::as_writable_bytes(std::span(part)));
  EXPECT_EQ(part, "789");
  file->read(10, {});
}

TEST_F(FileTest, ReadingPastTheEndNamesFileAndOffset) {
  const fs::path path = directory_ / "short";
  std::ofstream(path) << "0123456789";
  const auto file = open_file(path);
  std::string part(3, ' ');
  const auto out = std::as_writable_bytes(std::span(part));
  expect_error(ErrorCode::kInvalidFile, path.string() + " ends before byte 8", [&] { file->read(8, out); });
  expect_error(ErrorCode::kInvalidFile, path.string(), [&] { file->read(~std::uint64_t{0}, out); });
}

TEST_F(FileTest, AFileThatShrinksWhileOpenIsAnError) {
  const fs::path path = directory_ / "shrinking";
  std::ofstream(path) << "0123456789";
  const auto file = open_file(path);
  fs::resize_file(path, 4);
  std::string part(8, ' ');
  expect_error(ErrorCode::kInvalidFile, "ends before byte 4",
               [&] { file->read(0, std::as_writable_bytes(std::span(part))); });
}

TEST_F(FileTest, WholeFileIsBounded) {
  const fs::path path = directory_ / "whole";
  std::ofstream(path) << "abc";
  EXPECT_EQ(read_whole_file(path, 3), "abc");
  expect_error(ErrorCode::kInvalidFile, path.string(), [&] { read_whole_file(path, 2); });
  expect_error(ErrorCode::kNotFound, "absent", [&] { read_whole_file(directory_ / "absent", 2); });
  expect_error(ErrorCode::kIo, directory_.string(), [&] { open_file(directory_); });
}

TEST_F(FileTest, AtomicFileAppearsOnlyWhenCommitted) {
  const fs::path path = directory_ / "out.bin";
  {
    AtomicFile file(path);
    file.write("one, ");
    file.write("two");
    EXPECT_EQ(file.num_bytes(), 8U);
    EXPECT_FALSE(fs::exists(path));
    file.commit();
    EXPECT_EQ(content(path), "one, two");
  }
  EXPECT_EQ(content(path), "one, two");
  EXPECT_EQ(num_files(), 1U);
}

TEST_F(FileTest, AtomicFileLeavesTheOldContentWhenAbandoned) {
  const fs::path path = directory_ / "out.bin";
  std::ofstream(path) << "old";
  {
    AtomicFile file(path);
    file.write("new");
  }
  EXPECT_EQ(content(path), "old");
  EXPECT_EQ(num_files(), 1U);
}

TEST_F(FileTest, AtomicFilesOfOneNameDoNotMix) {
  const fs::path path = directory_ / "out.bin";
  AtomicFile first(path);
  AtomicFile second(path);
  first.write("first");
  second.write("second");
  second.commit();
  first.commit();
  EXPECT_EQ(content(path), "first");
  EXPECT_EQ(num_files(), 1U);
}

TEST_F(FileTest, AtomicFileFollowsALink) {
  std::ofstream(directory_ / "real") << "old";
  fs::create_symlink("real", directory_ / "link");
  AtomicFile file(directory_ / "link");
  file.write("new");
  file.commit();
  EXPECT_TRUE(fs::is_symlink(directory_ / "link"));
  EXPECT_EQ(content(directory_ / "real"), "new");
}

TEST_F(FileTest, AtomicFileRefusesWhatIsNoFile) {
  expect_error(ErrorCode::kInvalidArgument, "/dev/null", [] { AtomicFile("/dev/null"); });
  expect_error(ErrorCode::kInvalidArgument, directory_.string(), [&] { AtomicFile file(directory_); });
  expect_error(ErrorCode::kInvalidArgument, "names no file", [&] { AtomicFile file(""); });
}

// A directory that is missing is not writable for root either, which one without permission would be.
TEST_F(FileTest, ACopyHasEveryByte) {
  const std::string content = std::string((std::size_t{1} << 20) + 17, 'a') + "end";
  for (const std::string& each : {content, std::string()}) {
    std::ofstream(directory_ / "from", std::ios::binary) << each;
    copy_whole_file(directory_ / "from", directory_ / "to");
    EXPECT_EQ(read_whole_file(directory_ / "to", 1 << 22), each);
  }
  expect_error(ErrorCode::kNotFound, "gone", [&] { copy_whole_file(directory_ / "gone", directory_ / "new"); });
  EXPECT_FALSE(fs::exists(directory_ / "new"));
}

TEST_F(FileTest, AnUnwritableDirectoryIsAnError) {
  expect_error(ErrorCode::kIo, "absent", [&] { AtomicFile file(directory_ / "absent" / "out.bin"); });
}

TEST_F(FileTest, ARefusedWriteLeavesNothing) {
  const fs::path path = directory_ / "out.bin";
  rlimit old_limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const auto old_handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {4096, old_limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_error(ErrorCode::kIo, path.string(), [&] {
    AtomicFile file(path);
    file.write(std::string(10000, 'x'));
  });
  setrlimit(RLIMIT_FSIZE, &old_limit);
  signal(SIGXFSZ, old_handler);
  EXPECT_EQ(num_files(), 0U);
}

}  // namespace
}  // namespace steadyflux
