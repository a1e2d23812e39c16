#include <cmath>
#include <cstddef>

#include "model/flux/flux.h"

namespace steadyflux {

namespace {

constexpr double kTheta = 10000;

}  // namespace

std::vector<float> rope_table(const FluxConfig& config, std::int64_t txt_tokens, std::int64_t height,
                              std::int64_t width) {
  std::vector<float> table;
  table.reserve(static_cast<std::size_t>((txt_tokens + height * width) * config.head_dim));
  const auto append_token = [&](const std::array<std::int64_t, 3>& position) {
    for (std::size_t axis = 0; axis < position.size(); ++axis) {
      const std::int64_t dims = config.axes_dims_rope[axis];
      for (std::int64_t k = 0; k < dims; k += 2) {
        const double frequency = 1 / std::pow(kTheta, static_cast<double>(k) / static_cast<double>(dims));
        const double angle = static_cast<double>(position[axis]) * frequency;
        table.push_back(static_cast<float>(std::cos(angle)));
        table.push_back(static_cast<float>(std::sin(angle)));
      }
    }
  };
  for (std::int64_t token = 0; token < txt_tokens; ++token) append_token({0, 0, 0});
  for (std::int64_t row = 0; row < height; ++row) {
    for (std::int64_t column = 0; column < width; ++column) append_token({0, row, column});
  }
  return table;
}

}  // namespace steadyflux
