#include "format/printable.h"

#include <gtest/gtest.h>

namespace steadyflux {
namespace {

TEST(Printable, KeepsWordsAndEscapesControls) {
  EXPECT_EQ(printable("caf\xC3\xA9.weight"), "caf\xC3\xA9.weight");
  EXPECT_EQ(printable(std::string_view("a\0b\x1B[2J\x7F", 8)), "a\\x00b\\x1b[2J\\x7f");
}

TEST(Printable, CutsBetweenCharacters) {
  EXPECT_EQ(printable(std::string(300, 'a')), std::string(200, 'a') + "...");
  EXPECT_EQ(printable(std::string(199, 'a') + "\xE7\x8C\xAB tail"), std::string(199, 'a') + "\xE7\x8C\xAB...");
  EXPECT_EQ(printable(std::string(200, 'a')), std::string(200, 'a'));
}

}  // namespace
}  // namespace steadyflux
