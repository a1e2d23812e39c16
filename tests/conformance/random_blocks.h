// Blocks of quantised types to compute with.
#pragma once

#include <cstddef>
#include <random>

#include "base/dtype.h"

namespace steadyflux::conformance {

// Fills `count` blocks with random codes, and with scales of both signs that make them stand for numbers of about
// [-1, 1]. Of a type whose scales lie apart, the codes alone.
void fill_blocks(DType dtype, std::byte* blocks, std::int64_t count, std::mt19937_64& random);

// The size of a scale that lies apart, for the same range.
float scale_apart(DType dtype);

}  // namespace steadyflux::conformance
