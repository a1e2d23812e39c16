// How phases are run: once on made-up memory to make the plan, then for real inside that plan. The code of the phases
// is the same for both, so that they cannot drift apart.
#pragma once

#include <memory>
#include <string_view>

#include "backend/executor.h"
#include "base/function_ref.h"
#include "memory/lease.h"
#include "pipeline/open_model.h"

namespace steadyflux {

// Memory that passes from one phase to another, held until this ends.
class Holding {
 public:
  virtual ~Holding() = default;
  Holding() = default;
  Holding(const Holding&) = delete;
  Holding& operator=(const Holding&) = delete;
};

// One stage of a phase: the weights it needs and how often it goes through them.
struct Stage {
  std::string_view phase;  // "encode", …; consecutive stages may share a phase
  const WeightPart* weights = nullptr;
  std::int64_t passes = 1;         // none needs more memory than the first
  double equal_passes = 1;         // passes as large as the first that would be as much work
  std::int64_t weight_passes = 1;  // how often one pass goes through the weights
  std::size_t kept_bytes = 0;      // host memory that is held or filled while it runs, beside arena and holdings
};

class PhaseRunner {
 public:
  using Allocate = FunctionRef<void(Arena&)>;
  using Pass = FunctionRef<void(const Executor&, WeightSource&, std::int64_t pass)>;

  virtual ~PhaseRunner() = default;

  virtual Backend& backend() = 0;

  // Whether tensors have no memory: host data need not be made for them.
  virtual bool measuring() const = 0;

  // Memory for what `allocate` takes from an arena. It is called twice: to measure, then for real.
  virtual std::unique_ptr<Holding> hold(Allocate allocate) = 0;

  // Runs every pass of a stage with its weights and an arena; false when the run was cancelled.
  [[nodiscard]] virtual bool run(const Stage& stage, Pass pass) = 0;
};

}  // namespace steadyflux
