// How long a backend's operations took, by class.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "ops/ops.h"

namespace steadyflux {

// The operations of one class that have run.
struct ClassProfile {
  std::int64_t calls = 0;
  double seconds = 0;
  ops::Cost cost;
};

// A plain value: two of them, taken one after the other, tell what ran between.
struct Profile {
  std::array<ClassProfile, ops::kNumOpClasses> classes;

  ClassProfile& of(ops::OpClass op_class) { return classes[static_cast<std::size_t>(op_class)]; }
  const ClassProfile& of(ops::OpClass op_class) const { return classes[static_cast<std::size_t>(op_class)]; }

  void add(const ops::Op& op, double seconds);
  Profile& operator+=(const Profile& other);
};

// What `later` has more than `earlier`.
Profile operator-(const Profile& later, const Profile& earlier);

}  // namespace steadyflux
