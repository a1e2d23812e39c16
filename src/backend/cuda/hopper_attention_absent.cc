// What a build without code for Hopper has in hopper_attention.cu's place.
#include "backend/cuda/attention.h"
#include "base/error.h"

namespace steadyflux::cuda {

bool hopper_attention_takes(const ops::Attention&) noexcept { return false; }

void launch_hopper_attention(const ops::Attention&, int, cudaStream_t) {
  fail(ErrorCode::kInternal, "this program was built without code for Hopper");
}

}  // namespace steadyflux::cuda
