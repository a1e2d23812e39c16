// What a build without CUDA answers.
#include "backend/cuda_backend.h"
#include "base/error.h"

namespace steadyflux {

bool has_cuda_backend() noexcept { return false; }

int num_cuda_devices() noexcept { return 0; }

std::unique_ptr<Backend> make_cuda_backend(const CudaOptions&) {
  fail(ErrorCode::kUnsupported,
       "this program was built without CUDA; build it with -DSTEADYFLUX_CUDA=ON where nvcc and cuBLASLt are, or use "
       "--device cpu");
}

}  // namespace steadyflux
