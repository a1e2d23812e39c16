#include "platform/file_handle.h"

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <string>
#include <utility>

#include "base/error.h"
#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

ErrorCode code_of_opening(const fs::path& path) {
  try {
    FileHandle::open_to_read(path);
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos) << error.what();
    return error.code();
  }
  ADD_FAILURE() << path << " was opened";
  return ErrorCode::kInternal;
}

TEST(FileHandle, WritesAndReadsBack) {
  const TemporaryDir directory("file_handle");
  const fs::path path = directory.path() / "new";
  FileHandle out = FileHandle::create_new(path);
  ASSERT_TRUE(out.is_open());
  out.write_all(bytes_of("hello, "), path);
  out.write_all(bytes_of("file"), path);
  out.sync(path);
  out.close(path);
  EXPECT_FALSE(out.is_open());

  const FileHandle in = FileHandle::open_to_read(path);
  EXPECT_EQ(in.size_bytes(path), 11U);
  std::array<std::byte, 4> word;
  EXPECT_EQ(in.read_some(7, word, path), 4U);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(word.data()), 4), "file");
  EXPECT_EQ(in.read_some(9, word, path), 2U);
  EXPECT_EQ(in.read_some(11, word, path), 0U);
}

TEST(FileHandle, CreateNewLeavesAnExistingFileAlone) {
  const TemporaryDir directory("file_handle");
  const fs::path path = directory.path() / "old";
  std::ofstream(path) << "kept";
  EXPECT_FALSE(FileHandle::create_new(path).is_open());
  EXPECT_EQ(fs::file_size(path), 4U);
}

TEST(FileHandle, SaysWhatCannotBeRead) {
  const TemporaryDir directory("file_handle");
  EXPECT_EQ(code_of_opening(directory.path() / "absent"), ErrorCode::kNotFound);
  EXPECT_EQ(code_of_opening(directory.path()), ErrorCode::kIo);
  EXPECT_EQ(code_of_opening("/dev/null"), ErrorCode::kIo);
}

TEST(FileHandle, AFullDiskIsAnError) {
  FileHandle full = FileHandle::open_to_write("/dev/full");
  try {
    full.write_all(bytes_of("x"), "/dev/full");
    FAIL() << "a full device took a byte";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_NE(std::string(error.what()).find("/dev/full"), std::string::npos) << error.what();
  }
}

TEST(FileHandle, MovingHandsTheFileOn) {
  FileHandle first = FileHandle::open_to_write("/dev/null");
  FileHandle second = std::move(first);
  EXPECT_TRUE(second.is_open());
  FileHandle third;
  third = std::move(second);
  third.write_all(bytes_of("x"), "/dev/null");
}

}  // namespace
}  // namespace steadyflux
