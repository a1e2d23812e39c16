#include "spark/verdict.h"

#include <gtest/gtest.h>

namespace steadyflux::spark {
namespace {

using Words = std::vector<std::string>;

Found found(std::string kind, std::string colour, double x, double y, double z) {
  return {std::move(kind), std::move(colour), x, y, z, (x - 0.5) / 3, (x + 0.5) / 3};
}

const Asked kAsked{"a red cube left of a blue ball on sand at night",
                   0,
                   {{"cube", "red"}, {"sphere", "blue"}},
                   {{0, "left of", 1}},
                   "sand",
                   "night"};
const Found kCube = found("cube", "red", -1, 0, 0);
const Found kBall = found("sphere", "blue", 1, 0, 0);

TEST(VerdictTest, ARightPictureHasNoFaultsInAnyOrder) {
  EXPECT_EQ(faults(kAsked, {{kCube, kBall}, "sand", "night"}), Words{});
  EXPECT_EQ(faults(kAsked, {{kBall, kCube}, "sand", "night"}), Words{});
}

TEST(VerdictTest, OneThingWrongIsOneFault) {
  EXPECT_EQ(faults(kAsked, {{kCube}, "sand", "night"}), Words{"count"});
  EXPECT_EQ(faults(kAsked, {{kCube, kBall, kBall}, "sand", "night"}), Words{"count"});
  EXPECT_EQ(faults(kAsked, {{kCube, found("cone", "blue", 1, 0, 0)}, "sand", "night"}), Words{"kind"});
  EXPECT_EQ(faults(kAsked, {{kCube, found("sphere", "cyan", 1, 0, 0)}, "sand", "night"}), Words{"colour"});
  EXPECT_EQ(faults(kAsked, {{kCube, kBall}, "grass", "night"}), Words{"ground"});
  EXPECT_EQ(faults(kAsked, {{kCube, kBall}, "sand", "fog"}), Words{"sky"});
  const Found cube_on_the_right = found("cube", "red", 3, 0, 0);
  EXPECT_EQ(faults(kAsked, {{cube_on_the_right, kBall}, "sand", "night"}), Words{"relation"});
}

TEST(VerdictTest, ColoursSwappedBetweenObjectsAreFaults) {
  const Found blue_cube = found("cube", "blue", -1, 0, 0);
  const Found red_ball = found("sphere", "red", 1, 0, 0);
  EXPECT_EQ(faults(kAsked, {{blue_cube, red_ball}, "sand", "night"}), (Words{"colour", "colour"}));
}

TEST(VerdictTest, WhatIsNotNamedIsNotJudged) {
  const Asked open{"cube", 0, {{"cube", "red"}}, {}, {}, {}};
  EXPECT_EQ(faults(open, {{kCube}, "water", "fog"}), Words{});
}

TEST(VerdictTest, EveryRelationHoldsOneWayOnly) {
  const Found middle = found("cube", "red", 0, 0, 0);
  const auto expect_only = [&](const Found& other, const std::string& relation, const std::string& inverse) {
    for (const char* name : {"left of", "right of", "behind", "in front of", "on top of"}) {
      EXPECT_EQ(holds(name, other, middle), name == relation) << name;
      EXPECT_EQ(holds(name, middle, other), name == inverse) << name;
    }
  };
  expect_only(found("cone", "red", -2, 0, 0), "left of", "right of");
  expect_only(found("cone", "red", 2, 0, 0), "right of", "left of");
  expect_only(found("cone", "red", 0, 0, 2), "behind", "in front of");
  expect_only(found("cone", "red", 0, 0, -2), "in front of", "behind");
  expect_only(found("cone", "red", 0, 1.5, 0), "on top of", "");
  expect_only(found("cone", "red", 0.1, 0, 0.1), "", "");
}

}  // namespace
}  // namespace steadyflux::spark
