// The check of what an encoder is given.
#pragma once

#include <cstdint>

namespace steadyflux::codec {

// Throws Error(kInvalidArgument) that names the first of `count` values that is infinite or not a number.
void expect_finite(const float* values, std::int64_t count);

}  // namespace steadyflux::codec
