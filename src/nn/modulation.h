// Adaptive layer norm: a normalised stream, scaled and shifted by vectors that depend on timestep and prompt.
#pragma once

#include <cstdint>

#include "backend/executor.h"

namespace steadyflux {

// One residual branch's vectors, each [width].
struct Modulation {
  Tensor shift;
  Tensor scale;
  Tensor gate;
};

// Elements [begin, begin + width) of a table row [1, columns], as a vector.
Tensor vector_at(const Tensor& row, std::int64_t begin, std::int64_t width);

// Three vectors from `begin` on, in the order in which the modulation layers of FLUX's blocks give them.
Modulation modulation_at(const Tensor& row, std::int64_t begin, std::int64_t width);

// out = LN(x) * (1 + scale) + shift. x, out: [rows, width].
void adaptive_norm(const Executor& executor, const Tensor& x, const Modulation& modulation, const Tensor& out);

}  // namespace steadyflux
