#include "output_pattern.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace steadyflux::cli {
namespace {

TEST(OutputPattern, PutsSeedAndNumberIn) {
  EXPECT_EQ(OutputPattern("a-%s-%i.png", false, true).path(3, 42), "a-42-3.png");
  EXPECT_EQ(OutputPattern("100%%.png", false, true).path(3, 42), "100%.png");
  EXPECT_EQ(OutputPattern("one.png", false, true).path(0, 42), "one.png");
}

TEST(OutputPattern, SeveralPicturesNeverShareAName) {
  EXPECT_EQ(OutputPattern("one.png", true, true).path(2, 42), "one-2.png");
  EXPECT_EQ(OutputPattern("one-%s.png", true, true).path(2, 42), "one-42.png");
  EXPECT_EQ(OutputPattern("one-%s.png", true, false).path(2, 42), "one-42-2.png");
}

TEST(OutputPattern, RefusesWhatItCannotWrite) {
  EXPECT_THROW(OutputPattern("a-%d.png", false, true), Error);
  EXPECT_THROW(OutputPattern("a%", false, true), Error);
  EXPECT_THROW(OutputPattern("a.jpg", false, true), Error);
  EXPECT_THROW(OutputPattern("/nonexistent-directory/a.png", false, true).check_writable(), Error);
}

}  // namespace
}  // namespace steadyflux::cli
