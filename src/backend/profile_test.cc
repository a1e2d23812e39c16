#include "backend/profile.h"

#include <gtest/gtest.h>

namespace steadyflux {
namespace {

Tensor fake(const Shape& shape) { return {reinterpret_cast<std::byte*>(128), DType::kF32, shape}; }

TEST(Profile, TakesOperationsOfAClassTogether) {
  Profile profile;
  profile.add(ops::RmsNorm{.x = fake({5, 8}), .weight = fake({8}), .out = fake({5, 8})}, 0.5);
  profile.add(ops::QkNormRope{.x = fake({5, 2, 4}), .weight = fake({4})}, 0.25);
  const ClassProfile& norms = profile.of(ops::OpClass::kNorm);
  EXPECT_EQ(norms.calls, 2);
  EXPECT_EQ(norms.seconds, 0.75);
  EXPECT_EQ(norms.cost.flops, 320);
  EXPECT_EQ(profile.of(ops::OpClass::kLinear).calls, 0);
}

TEST(Profile, DifferenceIsWhatRanBetween) {
  const ops::Add add = {.a = fake({4, 4}), .b = fake({4, 4}), .out = fake({4, 4})};
  Profile profile;
  profile.add(add, 1);
  const Profile before = profile;
  profile.add(add, 0.125);
  Profile between = profile - before;
  EXPECT_EQ(between.of(ops::OpClass::kElementwise).calls, 1);
  EXPECT_EQ(between.of(ops::OpClass::kElementwise).seconds, 0.125);
  EXPECT_EQ(between.of(ops::OpClass::kElementwise).cost.bytes, 3 * 4 * 16);
  between += before;
  EXPECT_EQ(between.of(ops::OpClass::kElementwise).seconds, profile.of(ops::OpClass::kElementwise).seconds);
}

}  // namespace
}  // namespace steadyflux
