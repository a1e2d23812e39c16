#include "io/scratch_file.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "base/error.h"
#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

TEST(ScratchFile, GivesBackWhatWasAppended) {
  const TemporaryDir directory("scratch_file_test");
  ScratchFile file(directory.path());
  const std::string first(5000, 'a');
  const std::string second = "bcdef";
  file.append(std::as_bytes(std::span(first)));
  file.append(std::as_bytes(std::span(second)));
  EXPECT_EQ(file.num_bytes(), 5005u);
  std::string read(6, ' ');
  file.read(4999, std::as_writable_bytes(std::span(read)));
  EXPECT_EQ(read, "abcdef");
  EXPECT_THROW(file.read(5000, std::as_writable_bytes(std::span(read))), Error);
}

TEST(ScratchFile, LeavesNothingBehind) {
  const TemporaryDir directory("scratch_file_test");
  {
    ScratchFile file(directory.path());
    file.append(std::as_bytes(std::span("text")));
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(ScratchFile, NamesADirectoryThatCannotBeUsed) {
  const TemporaryDir directory("scratch_file_test");
  try {
    ScratchFile file(directory.path() / "missing");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("missing"), std::string::npos);
  }
}

}  // namespace
}  // namespace steadyflux
