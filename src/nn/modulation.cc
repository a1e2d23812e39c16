#include "nn/modulation.h"

namespace steadyflux {

Tensor vector_at(const Tensor& row, std::int64_t begin, std::int64_t width) {
  return row.cols(begin, width).reshaped({width});
}

Modulation modulation_at(const Tensor& row, std::int64_t begin, std::int64_t width) {
  return {.shift = vector_at(row, begin, width),
          .scale = vector_at(row, begin + width, width),
          .gate = vector_at(row, begin + 2 * width, width)};
}

void adaptive_norm(const Executor& executor, const Tensor& x, const Modulation& modulation, const Tensor& out) {
  executor.run(
      ops::LayerNorm{.x = x, .scale = modulation.scale, .shift = modulation.shift, .scale_offset = 1, .out = out});
}

}  // namespace steadyflux
