#include "backend/cuda/linear_parts.h"
#include "backend/cuda/matrix_ops.h"

namespace steadyflux::cuda {

std::size_t scratch_bytes(Context& context, const ops::LinearMany& op) {
  Arena arena = Arena::measuring();
  prepare_float_parts(context, op, arena);
  prepare_int8_parts(context, op, arena);
  return arena.peak_bytes();
}

void run(Context& context, const ops::LinearMany& op, std::span<std::byte> scratch) {
  Arena arena(scratch.data(), scratch.size());
  run_float_parts(context, op, arena);
  run_int8_parts(context, op, arena);
}

}  // namespace steadyflux::cuda
