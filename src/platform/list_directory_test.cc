#include "platform/list_directory.h"

#include <gtest/gtest.h>

#include <fstream>

#include "platform/temporary_dir.h"

namespace steadyflux {
namespace {

TEST(ListDirectory, GivesSortedPathsWithoutItselfAndItsParent) {
  const TemporaryDir directory("list_directory_test");
  for (const char* name : {"b", "a", ".hidden"}) std::ofstream(directory.path() / name);
  std::error_code error;
  const auto paths = list_directory(directory.path(), error);
  EXPECT_FALSE(error);
  EXPECT_EQ(paths, (std::vector<std::filesystem::path>{directory.path() / ".hidden", directory.path() / "a",
                                                       directory.path() / "b"}));
}

TEST(ListDirectory, SaysWhyItCannot) {
  const TemporaryDir directory("list_directory_test");
  std::error_code error;
  EXPECT_TRUE(list_directory(directory.path() / "missing", error).empty());
  EXPECT_EQ(error, std::errc::no_such_file_or_directory);
}

}  // namespace
}  // namespace steadyflux
