// Where results cannot be written: said before the work where it can be known, and never half a file.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "e2e/workspace.h"

namespace steadyflux::e2e {
namespace {

namespace fs = std::filesystem;

constexpr int kFailure = 1;
constexpr int kBadUsage = 2;

class OutputTest : public Workspace {
 protected:
  // The command said so before it began to compute.
  static void expect_refused_early(const Outcome& outcome, int exit_code,
                                   std::initializer_list<std::string_view> needles) {
    expect_refused(outcome, exit_code, needles);
    EXPECT_EQ(outcome.err.find("denoise"), std::string::npos) << outcome.err;
  }
};

constexpr const char* kOutputFlags[] = {"--out", "--latents-out", "--report"};

TEST_F(OutputTest, AMissingDirectoryIsRefusedEarly) {
  for (const char* flag : kOutputFlags) {
    SCOPED_TRACE(flag);
    const fs::path path = root() / "gone" / "file.png";
    expect_refused_early(generate({flag, path.string()}), kFailure, {path.parent_path().string()});
  }
  EXPECT_TRUE(files_out().empty());
}

TEST_F(OutputTest, AFileInPlaceOfTheDirectoryIsRefusedEarly) {
  write_text(root() / "file", "");
  for (const char* flag : kOutputFlags) {
    SCOPED_TRACE(flag);
    expect_refused_early(generate({flag, (root() / "file" / "picture.png").string()}), kFailure,
                         {(root() / "file").string()});
  }
}

TEST_F(OutputTest, ADirectoryInPlaceOfTheFileIsRefusedEarly) {
  fs::create_directory(root() / "directory.png");
  for (const char* flag : kOutputFlags) {
    SCOPED_TRACE(flag);
    expect_refused_early(generate({flag, (root() / "directory.png").string()}), kBadUsage,
                         {(root() / "directory.png").string(), "directory"});
  }
  expect_refused_early(run({"encode", "--model", model().string(), "--prompt", "a", "--out", root().string()}),
                       kBadUsage, {root().string(), "directory"});
}

TEST_F(OutputTest, ADirectoryThatMayNotBeWrittenIsRefusedEarly) {
  fs::permissions(out(), fs::perms::owner_read | fs::perms::owner_exec);
  for (const char* flag : kOutputFlags) {
    SCOPED_TRACE(flag);
    expect_refused_early(generate({flag, (out() / "file.png").string()}, {.respect_permissions = true}), kFailure,
                         {out().string(), "Permission denied"});
  }
  fs::permissions(out(), fs::perms::owner_all);
  EXPECT_TRUE(files_out().empty());
}

// A limit on the size of files is met as a full disk is: some bytes are written, then no more.
TEST_F(OutputTest, AFullDiskLeavesNoHalfPicture) {
  const Outcome outcome = generate({}, {.max_file_bytes = 1000});
  expect_refused(outcome, kFailure, {(out() / "picture.png").string()});
  EXPECT_TRUE(files_out().empty());
}

TEST_F(OutputTest, AFullDiskLeavesTheEarlierPictureAsItWas) {
  write_text(out() / "picture.png", "an earlier picture");
  expect_refused(generate({}, {.max_file_bytes = 1000}), kFailure, {(out() / "picture.png").string()});
  EXPECT_EQ(files_out(), std::vector<std::string>{"picture.png"});
  EXPECT_EQ(read_text(out() / "picture.png"), "an earlier picture");
}

TEST_F(OutputTest, AFullDiskLeavesNoHalfEmbeddings) {
  expect_refused(
      run({"encode", "--model", model().string(), "--prompt", "a", "--out", (out() / "embeds.safetensors").string()},
          {.max_file_bytes = 1000}),
      kFailure, {(out() / "embeds.safetensors").string()});
  EXPECT_TRUE(files_out().empty());
}

TEST_F(OutputTest, DataThatDoesNotReachStdoutIsAFailure) {
  const Outcome outcome = run({"plan", "--model", model().string(), "--size", "64x32"}, {.stdout_path = "/dev/full"});
  EXPECT_EQ(outcome.exit_code, kFailure);
  EXPECT_NE(outcome.err.find("standard output"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace steadyflux::e2e
