#include "backend/cpu/conv_filters.h"

#include "backend/cpu/convert.h"

namespace steadyflux::cpu {

const float* taps_of(const Tensor& weight, std::int64_t channel, float* buffer) {
  const std::int64_t in_channels = weight.dim(1);
  const std::int64_t taps = weight.dim(2) * weight.dim(3);
  const std::int64_t depth = taps * in_channels;
  const float* filter = widen(row_address(weight, channel), weight.dtype, buffer, static_cast<std::size_t>(depth));
  float* reordered = buffer + depth;
  for (std::int64_t i = 0; i < in_channels; ++i) {
    for (std::int64_t tap = 0; tap < taps; ++tap) reordered[tap * in_channels + i] = filter[i * taps + tap];
  }
  return reordered;
}

}  // namespace steadyflux::cpu
