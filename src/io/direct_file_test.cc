#include "io/direct_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "io/expect_error.h"
#include "platform/page_region.h"
#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

constexpr std::size_t kBlock = kDirectAlignment;

std::string some_bytes(std::size_t count) {
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) bytes += static_cast<char>(i * 131 + i / 251);
  return bytes;
}

class DirectFileTest : public ::testing::Test {
 protected:
  explicit DirectFileTest(const std::string& parent = "") : directory_("direct_file", parent) {
    std::ofstream(path_, std::ios::binary) << content_;
  }

  void expect_content() {
    const auto file = open_direct_file(path_);
    ASSERT_EQ(file->size(), content_.size());
    const PageRegion out(7 * kBlock);
    for (std::size_t first = 0; first < 6; ++first) {
      for (std::size_t count = 0; first + count <= 7; ++count) {
        const auto target = out.bytes().first(count * kBlock);
        file->read_blocks(first * kBlock, target);
        const std::string expected = content_.substr(first * kBlock, count * kBlock);
        EXPECT_EQ(std::string(reinterpret_cast<const char*>(target.data()), expected.size()), expected)
            << first << " " << count;
      }
    }
  }

  TemporaryDir directory_;
  const std::filesystem::path path_ = directory_.path() / "content";
  const std::string content_ = some_bytes(5 * kBlock + 123);
};

TEST_F(DirectFileTest, GivesTheBlocksOfTheFileAndItsEnd) { expect_content(); }

TEST_F(DirectFileTest, AFileThatShrinksWhileOpenIsAnError) {
  const auto file = open_direct_file(path_);
  std::filesystem::resize_file(path_, 2 * kBlock + 7);
  const PageRegion out(4 * kBlock);
  expect_error(ErrorCode::kInvalidFile, path_.string() + " ends before byte 8192",
               [&] { file->read_blocks(0, out.bytes()); });
}

TEST_F(DirectFileTest, UnalignedReadsAreABug) {
  const auto file = open_direct_file(path_);
  const PageRegion out(2 * kBlock);
  expect_error(ErrorCode::kInternal, path_.string(), [&] { file->read_blocks(1, out.bytes()); });
  expect_error(ErrorCode::kInternal, path_.string(), [&] { file->read_blocks(0, out.bytes().first(100)); });
  expect_error(ErrorCode::kInternal, path_.string(), [&] { file->read_blocks(0, out.bytes().subspan(1, kBlock)); });
}

TEST_F(DirectFileTest, SaysWhatCannotBeOpened) {
  expect_error(ErrorCode::kNotFound, "absent", [&] { open_direct_file(directory_.path() / "absent"); });
  expect_error(ErrorCode::kIo, directory_.path().string(), [&] { open_direct_file(directory_.path()); });
}

// A file system in memory has no direct reads, or pretends to have them.
class DirectFileInMemoryTest : public DirectFileTest {
 protected:
  DirectFileInMemoryTest() : DirectFileTest("/dev/shm") {}
};

TEST_F(DirectFileInMemoryTest, GivesTheBlocksAllTheSame) { expect_content(); }

}  // namespace
}  // namespace steadyflux
