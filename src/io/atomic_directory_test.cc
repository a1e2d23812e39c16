#include "io/atomic_directory.h"

#include <fstream>

#include "io/expect_error.h"
#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;

class AtomicDirectoryTest : public testing::Test {
 protected:
  TemporaryDir temporary_{"atomic_directory"};
  const fs::path path_ = temporary_.path() / "out";
};

TEST_F(AtomicDirectoryTest, AppearsWhole) {
  AtomicDirectory directory(path_);
  std::ofstream(directory.path() / "file") << "content";
  EXPECT_FALSE(fs::exists(path_));
  directory.commit();
  EXPECT_EQ(fs::file_size(path_ / "file"), 7U);
}

TEST_F(AtomicDirectoryTest, LeavesNoTraceWithoutCommit) {
  {
    const AtomicDirectory directory(path_);
    std::ofstream(directory.path() / "file") << "content";
  }
  EXPECT_TRUE(fs::is_empty(temporary_.path()));
}

TEST_F(AtomicDirectoryTest, TakesThePlaceOfAnEmptyDirectoryOnly) {
  fs::create_directory(path_);
  AtomicDirectory(path_ / "").commit();
  EXPECT_TRUE(fs::is_empty(path_));
  std::ofstream(path_ / "file") << "content";
  expect_error(ErrorCode::kInvalidArgument, "out is there already", [&] { AtomicDirectory{path_}; });
  expect_error(ErrorCode::kInvalidArgument, "file is there already", [&] { AtomicDirectory{path_ / "file"}; });
  EXPECT_EQ(fs::file_size(path_ / "file"), 7U);
}

TEST_F(AtomicDirectoryTest, NamesWhatCannotBeMade) {
  expect_error(ErrorCode::kIo, "absent/out", [&] { AtomicDirectory{temporary_.path() / "absent" / "out"}; });
  expect_error(ErrorCode::kInvalidArgument, "does not name", [] { AtomicDirectory{".."}; });
}

}  // namespace
}  // namespace steadyflux
