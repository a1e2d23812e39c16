#include "backend/profile.h"

namespace steadyflux {
namespace {

void add_scaled(ClassProfile& sum, const ClassProfile& other, int sign) {
  sum.calls += sign * other.calls;
  sum.seconds += sign * other.seconds;
  sum.cost.flops += sign * other.cost.flops;
  sum.cost.bytes += sign * other.cost.bytes;
}

}  // namespace

void Profile::add(const ops::Op& op, double seconds) {
  add_scaled(of(ops::op_class(op)), {.calls = 1, .seconds = seconds, .cost = ops::cost(op)}, 1);
}

Profile& Profile::operator+=(const Profile& other) {
  for (std::size_t i = 0; i < classes.size(); ++i) add_scaled(classes[i], other.classes[i], 1);
  return *this;
}

Profile operator-(const Profile& later, const Profile& earlier) {
  Profile difference = later;
  for (std::size_t i = 0; i < difference.classes.size(); ++i) {
    add_scaled(difference.classes[i], earlier.classes[i], -1);
  }
  return difference;
}

}  // namespace steadyflux
