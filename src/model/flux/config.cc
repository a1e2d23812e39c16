#include "base/error.h"
#include "model/flux/flux.h"

namespace steadyflux {

void check(const FluxConfig& config) {
  std::int64_t rope_dims = 0;
  for (const std::int64_t dims : config.axes_dims_rope) {
    if (dims < 0 || dims % 2 != 0) {
      fail(ErrorCode::kInvalidFile, "axes_dims_rope: an axis of ", dims, " dimensions cannot be turned in pairs");
    }
    rope_dims += dims;
  }
  if (rope_dims != config.head_dim) {
    fail(ErrorCode::kInvalidFile, "axes_dims_rope sums to ", rope_dims, ", but attention_head_dim is ",
         config.head_dim);
  }
}

}  // namespace steadyflux
