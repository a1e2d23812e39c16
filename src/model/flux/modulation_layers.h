// The layers whose outputs fill a row of the modulation table, and where in the row each output lies.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/flux/flux.h"

namespace steadyflux {

struct FluxModulationLayer {
  std::string name;         // of the group
  std::int64_t column = 0;  // first column of its output
  std::int64_t width = 0;   // columns of its output
};

// In the order of the table: of each double block image then text (two modulations each), of each single block (one
// modulation), of the final norm scale, then shift.
std::vector<FluxModulationLayer> flux_modulation_layers(const FluxConfig& config);

// First columns of what each consumer reads.
inline std::int64_t img_modulation_column(const FluxConfig& config, std::int64_t double_block) {
  return double_block * 12 * config.width();
}
inline std::int64_t txt_modulation_column(const FluxConfig& config, std::int64_t double_block) {
  return img_modulation_column(config, double_block) + 6 * config.width();
}
inline std::int64_t single_modulation_column(const FluxConfig& config, std::int64_t single_block) {
  return img_modulation_column(config, config.num_double_blocks) + single_block * 3 * config.width();
}
inline std::int64_t final_modulation_column(const FluxConfig& config) {
  return single_modulation_column(config, config.num_single_blocks);
}

}  // namespace steadyflux
