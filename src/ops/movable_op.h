// An operation whose tensors can be put into other memory: for devices that are played, and for tests.
#pragma once

#include <cstddef>
#include <vector>

#include "base/function_ref.h"
#include "ops/ops.h"

namespace steadyflux::ops {

// Holds a copy of an operation and of its parts. Neither copied nor moved: the operation points into it.
class MovableOp {
 public:
  explicit MovableOp(const Op& op);
  MovableOp(const MovableOp&) = delete;
  MovableOp& operator=(const MovableOp&) = delete;

  // Calls `place` with every piece of memory that the operation reads or writes, from its first element to its last,
  // gaps between rows included, and takes the address that comes back for it. Pieces may overlap.
  void move(FunctionRef<std::byte*(std::byte* address, std::size_t bytes)> place);

  const Op& op() const { return op_; }

 private:
  std::vector<LinearPart> parts_;
  Op op_;
};

}  // namespace steadyflux::ops
