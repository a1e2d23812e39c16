#include "backend/executor.h"

namespace steadyflux {

void Executor::run(const ops::Op& op) const {
  ops::check(op);
  const ArenaScope scope(*arena_);
  const std::size_t bytes = backend_->scratch_bytes(op);
  backend_->run(op, {arena_->allocate_scratch(bytes), bytes});
}

}  // namespace steadyflux
