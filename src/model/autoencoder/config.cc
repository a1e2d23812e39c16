#include "base/error.h"
#include "model/autoencoder/autoencoder.h"

namespace steadyflux {

void check(const AutoencoderConfig& config) {
  if (config.block_channels.empty() || config.block_channels.size() > 8) {
    fail(ErrorCode::kInvalidFile, "block_out_channels has ", config.block_channels.size(), " levels, not 1 to 8");
  }
  for (const std::int64_t channels : config.block_channels) {
    if (channels % config.norm_groups != 0) {
      fail(ErrorCode::kInvalidFile, "block_out_channels: ", channels, " is not a multiple of norm_num_groups ",
           config.norm_groups);
    }
  }
  if (config.scaling_factor == 0) fail(ErrorCode::kInvalidFile, "scaling_factor is 0");
}

}  // namespace steadyflux
