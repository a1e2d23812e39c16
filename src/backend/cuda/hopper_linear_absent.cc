// What a build without code for Hopper has in hopper_linear.cu's place.
#include "backend/cuda/hopper_linear.h"
#include "base/error.h"

namespace steadyflux::cuda {

bool has_hopper_linear() noexcept { return false; }

int hopper_cluster(std::int64_t) noexcept { return 1; }

void launch_hopper_linear(const HopperLinear&, int, int, cudaStream_t) {
  fail(ErrorCode::kInternal, "this program was built without code for Hopper");
}

}  // namespace steadyflux::cuda
