#include "tensor/finite.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.h"

namespace steadyflux::codec {

void expect_finite(const float* values, std::int64_t count) {
  // The largest magnitude as an integer: a loop that the compiler makes vectors of.
  constexpr std::int32_t kInfinity = 0x7F800000;
  std::int32_t largest = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    largest = std::max(largest, std::bit_cast<std::int32_t>(values[i]) & 0x7FFFFFFF);
  }
  if (largest < kInfinity) return;
  for (std::int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(values[i])) {
      fail(ErrorCode::kInvalidArgument, "element ", i, " is ", values[i], ": only finite numbers can be quantised");
    }
  }
}

}  // namespace steadyflux::codec
