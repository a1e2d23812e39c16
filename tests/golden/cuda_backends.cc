// The first CUDA device.
#include "backend/cuda_backend.h"
#include "golden/backends.h"
#include "golden/mirrored_device.h"

namespace steadyflux::golden {

std::vector<std::string> backend_names() { return {"cuda"}; }

std::unique_ptr<Backend> make_backend(std::string_view /*name*/) {
  return std::make_unique<MirroredDevice>(make_cuda_backend());
}

}  // namespace steadyflux::golden
