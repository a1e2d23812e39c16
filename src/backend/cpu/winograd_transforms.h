// From pixels and weights to the points of Winograd's F(2 x 2, 3 x 3), and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/dtype.h"

namespace steadyflux::cpu {

// Points a side of a tile: four, or the three that are not zero when the input is doubled.
enum class WinogradSide : std::int64_t { kPlain = 4, kDoubled = 3 };

constexpr std::int64_t num_points(WinogradSide side) {
  return static_cast<std::int64_t>(side) * static_cast<std::int64_t>(side);
}

// The channels must be a multiple of this.
inline constexpr std::int64_t kWinogradLanes = 16;

// Values of one tile, or one filter, at all points: those at point p begin at data + p * step.
struct AtPoints {
  float* data;
  std::int64_t step;
};

// B^T d B, for each channel. `pixels` are the tile's input, row after row: 4 x 4 pixels, or the 3 x 3 that are doubled
// into them; of f32 or bf16.
void winograd_input(WinogradSide side, std::span<const std::byte* const> pixels, DType dtype, std::int64_t channels,
                    AtPoints out);

// G g G^T, for each input channel of one filter; taps[9][in_channels].
void winograd_filter(WinogradSide side, const float* taps, std::int64_t in_channels, AtPoints out);

// A^T m A: the pixels (0, 0), (0, 1), (1, 0) and (1, 1) of the tile's result, one after the other.
void winograd_output(WinogradSide side, AtPoints products, std::int64_t channels, float* out);

}  // namespace steadyflux::cpu
