// Where model code runs its operations: a backend and the arena that its activations and scratch come from.
#pragma once

#include "backend/arena.h"
#include "backend/backend.h"

namespace steadyflux {

// Borrows both; cheap to copy. Thread rule: one thread.
class Executor {
 public:
  Executor(Backend& backend, Arena& arena) : backend_(&backend), arena_(&arena) {}

  Backend& backend() const { return *backend_; }
  Arena& arena() const { return *arena_; }

  // In which numbers layers multiply that tolerate rounding: a setting that model code puts into its operations.
  ops::Compute compute() const { return compute_; }
  Executor with_compute(ops::Compute compute) const {
    Executor executor = *this;
    executor.compute_ = compute;
    return executor;
  }

  // An uninitialised activation that lives until the enclosing ArenaScope ends.
  Tensor allocate(DType dtype, const Shape& shape) const { return arena_->allocate(dtype, shape); }

  // Checks op against its contract and computes it, with scratch from the arena.
  void run(const ops::Op& op) const;

 private:
  Backend* backend_;
  Arena* arena_;
  ops::Compute compute_ = ops::Compute::kFloat;
};

}  // namespace steadyflux
