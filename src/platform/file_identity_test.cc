#include "platform/file_identity.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;

class FileIdentityTest : public testing::Test {
 protected:
  void SetUp() override { std::ofstream(path_) << "content"; }
  // Longer than the system's clock of file times stands still.
  static void let_time_pass() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

  TemporaryDir temporary_{"file_identity_test"};
  const fs::path path_ = temporary_.path() / "file";
};

TEST_F(FileIdentityTest, StaysWhileTheFileIsOnlyRead) {
  const auto before = identify_file(path_);
  ASSERT_TRUE(before);
  EXPECT_EQ(before->size_bytes, 7u);
  let_time_pass();
  std::string content;
  std::ifstream(path_) >> content;
  EXPECT_EQ(identify_file(path_), before);
}

TEST_F(FileIdentityTest, ChangesWithAWriteEvenWhenSizeAndModificationTimeAreRestored) {
  const auto before = identify_file(path_);
  const auto time = fs::last_write_time(path_);
  let_time_pass();
  std::ofstream(path_) << "CONTENT";
  fs::last_write_time(path_, time);
  const auto after = identify_file(path_);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->size_bytes, before->size_bytes);
  EXPECT_NE(after, before);
}

TEST_F(FileIdentityTest, FollowsLinks) {
  const fs::path link = temporary_.path() / "link";
  fs::create_symlink(path_, link);
  EXPECT_EQ(identify_file(link), identify_file(path_));
}

TEST_F(FileIdentityTest, IsNothingForWhatIsNoRegularFile) {
  EXPECT_EQ(identify_file(temporary_.path()), std::nullopt);
  EXPECT_EQ(identify_file(temporary_.path() / "absent"), std::nullopt);
  EXPECT_EQ(identify_file("/dev/null"), std::nullopt);
}

}  // namespace
}  // namespace steadyflux
