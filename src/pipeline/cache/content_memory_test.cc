#include "pipeline/cache/content_memory.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <string>
#include <thread>

#include "io/expect_error.h"
#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxBytes = 1000;

class ContentMemoryTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(model_ / "folder");
    write("config.json", "{}");
    write("weights", "0123456789");
    settle();
  }
  void write(const char* name, std::string_view text) const { std::ofstream(model_ / name) << text; }
  // Until times of files tell the next change from the last.
  static void settle() { std::this_thread::sleep_for(std::chrono::milliseconds(150)); }
  // Remembers `content` as if the files had been read now.
  void remember(std::string_view part, const Digest& content) {
    remember_content(cache_, part, {model_}, examine_files({model_}), content);
  }

  TemporaryDir temporary_{"content_memory_test"};
  const fs::path model_ = temporary_.path() / "model";
  CacheDirectory cache_{temporary_.path() / "cache"};
};

TEST_F(ContentMemoryTest, RecallsThePartAsLongAsTheFilesAreTheSame) {
  const Digest content = {1, 2};
  EXPECT_EQ(recall_content(cache_, "clip", examine_files({model_})), std::nullopt);
  remember("clip", content);
  EXPECT_EQ(recall_content(cache_, "clip", examine_files({model_})), content);
  EXPECT_EQ(recall_content(cache_, "t5", examine_files({model_})), std::nullopt);
}

TEST_F(ContentMemoryTest, ForgetsWithEveryKindOfChange) {
  const Digest content = {1, 2};
  const auto forgets = [&](auto change) {
    remember("clip", content);
    ASSERT_EQ(recall_content(cache_, "clip", examine_files({model_})), content);
    change();
    EXPECT_EQ(recall_content(cache_, "clip", examine_files({model_})), std::nullopt);
    settle();
  };
  forgets([&] { write("weights", "9876543210"); });
  forgets([&] {
    const auto time = fs::last_write_time(model_ / "weights");
    write("weights", "aaaaaaaaaa");
    fs::last_write_time(model_ / "weights", time);
  });
  forgets([&] { write("more", "x"); });
  forgets([&] { fs::rename(model_ / "more", model_ / "other"); });
  forgets([&] { fs::remove(model_ / "config.json"); });
}

TEST_F(ContentMemoryTest, RemembersNothingThatChangedWhileItWasRead) {
  const FilesState before = examine_files({model_});
  write("weights", "9876543210");
  remember_content(cache_, "clip", {model_}, before, {1, 2});
  EXPECT_EQ(recall_content(cache_, "clip", before), std::nullopt);
  EXPECT_EQ(recall_content(cache_, "clip", examine_files({model_})), std::nullopt);
}

TEST_F(ContentMemoryTest, RemembersNothingThatIsTooFreshToTellTheNextChange) {
  write("weights", "9876543210");
  remember("clip", {1, 2});
  EXPECT_EQ(recall_content(cache_, "clip", examine_files({model_})), std::nullopt);
}

TEST_F(ContentMemoryTest, KnowsSmallFilesByTheirBytesAndNames) {
  const Digest content = content_of_small_files(cache_, model_, kMaxBytes);
  EXPECT_EQ(content_of_small_files(cache_, model_, kMaxBytes), content);
  fs::copy(model_, temporary_.path() / "copy");
  EXPECT_EQ(content_of_small_files(cache_, temporary_.path() / "copy", kMaxBytes), content);
  write("weights", "9876543210");
  EXPECT_NE(content_of_small_files(cache_, model_, kMaxBytes), content);
  write("weights", "0123456789");
  EXPECT_EQ(content_of_small_files(cache_, model_, kMaxBytes), content);
  fs::rename(model_ / "weights", model_ / "heavier");
  EXPECT_NE(content_of_small_files(cache_, model_, kMaxBytes), content);
}

// What is remembered is believed without reading: a file that could not be read is no obstacle.
TEST_F(ContentMemoryTest, OpensNoFileWhenItRemembers) {
  write("large", std::string(kMaxBytes + 1, 'x'));
  settle();
  expect_error(ErrorCode::kInvalidFile, "large", [&] { content_of_small_files(cache_, model_, kMaxBytes); });
  const Digest content = content_of_small_files(cache_, model_, 2 * kMaxBytes);
  EXPECT_EQ(content_of_small_files(cache_, model_, kMaxBytes), content);
}

TEST_F(ContentMemoryTest, WorksWithoutACache) {
  CacheDirectory none({});
  remember_content(none, "clip", {model_}, examine_files({model_}), {1, 2});
  EXPECT_EQ(recall_content(none, "clip", examine_files({model_})), std::nullopt);
  EXPECT_EQ(content_of_small_files(none, model_, kMaxBytes), content_of_small_files(cache_, model_, kMaxBytes));
}

TEST_F(ContentMemoryTest, KnowsNothingOfADirectoryThatIsNotThere) {
  const fs::path absent = model_ / "absent";
  remember_content(cache_, "clip", {absent}, examine_files({absent}), {1, 2});
  EXPECT_EQ(recall_content(cache_, "clip", examine_files({absent})), std::nullopt);
  expect_error(ErrorCode::kIo, "absent", [&] { content_of_small_files(cache_, absent, kMaxBytes); });
}

}  // namespace
}  // namespace steadyflux
