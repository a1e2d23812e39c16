#include "backend/cuda/linear_parts.h"
#include "backend/cuda/matrix_ops.h"
#include "backend/joined_parts.h"

namespace steadyflux::cuda {
namespace {

void prepare(Context& context, const ops::LinearMany& op, Arena& arena) {
  prepare_float_parts(context, op, arena);
  prepare_int8_parts(context, op, arena);
}

}  // namespace

// Where the weights lie counts only when they are used: there is scratch for both ways to compute them.
std::size_t scratch_bytes(Context& context, const ops::LinearMany& op) {
  Arena arena = Arena::measuring();
  prepare(context, op, arena);
  const JoinedParts joined(op, PartPlaces::kUnknown);
  if (joined.joins_any()) prepare(context, joined.op(), arena);
  return arena.peak_bytes();
}

void run(Context& context, const ops::LinearMany& op, std::span<std::byte> scratch) {
  const JoinedParts joined(op, PartPlaces::kKnown);
  Arena arena(scratch.data(), scratch.size());
  run_float_parts(context, joined.op(), arena);
  run_int8_parts(context, joined.op(), arena);
}

}  // namespace steadyflux::cuda
