// Two backends of the first CUDA device: both must conform, and the second repeat the bits of the first.
#include "backend/cuda_backend.h"
#include "backends.h"

namespace steadyflux::conformance {

std::vector<Contender> make_contenders() {
  std::vector<Contender> contenders;
  contenders.push_back({"cuda", "cuda", make_cuda_backend()});
  contenders.push_back({"cuda, once more", "cuda", make_cuda_backend()});
  return contenders;
}

}  // namespace steadyflux::conformance
