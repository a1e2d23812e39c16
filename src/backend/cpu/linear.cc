#include "backend/cpu/linear.h"

#include <algorithm>

#include "backend/cpu/linear_float.h"
#include "backend/cpu/linear_int8.h"

namespace steadyflux::cpu {
namespace {

struct Scratch {
  FloatScratch in_float;
  Int8Scratch in_int8;
};

Scratch prepare(Context& context, const ops::LinearMany& op, std::int64_t rows, Arena& arena) {
  return {prepare_float(context, op, rows, arena), prepare_int8(context, op, arena)};
}

}  // namespace

std::size_t scratch_bytes(Context& context, const ops::LinearMany& op) {
  if (op.x.dim(0) == 0) return 0;
  // Fewer rows must not need more.
  std::size_t bytes = 0;
  for (const std::int64_t rows : {op.x.dim(0), std::min(op.x.dim(0), kMostFewRows)}) {
    Arena arena = Arena::measuring();
    prepare(context, op, rows, arena);
    bytes = std::max(bytes, arena.peak_bytes());
  }
  return bytes;
}

void run(Context& context, const ops::LinearMany& op, Arena& arena) {
  if (op.x.dim(0) == 0) return;
  const Scratch scratch = prepare(context, op, op.x.dim(0), arena);
  run_float_parts(context, op, scratch.in_float);
  run_int8_parts(context, op, scratch.in_int8);
}

}  // namespace steadyflux::cpu
