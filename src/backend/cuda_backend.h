// An NVIDIA graphics card as a device. Two rooms define these functions: cuda/, and cuda_stub/ for builds without CUDA.
//
// scripts/test_cuda builds, judges and measures the backend in cuda/ where there is a card; docs/cuda.md says on which
// it was.
#pragma once

#include <memory>

#include "backend/backend.h"

namespace steadyflux {

struct CudaOptions {
  int device = 0;  // as CUDA counts them, after CUDA_VISIBLE_DEVICES (the driver's own environment variable)
};

// Whether this build has the backend.
bool has_cuda_backend() noexcept;

// Devices that the driver offers; 0 without a driver, and in a build without CUDA.
int num_cuda_devices() noexcept;

// Memory of the device's own, two streams; matrix products by cuBLASLt, everything else by kernels of ours. Throws
// Error: kUnsupported in a build without CUDA and on cards before Ampere, kInvalidArgument when there is no such
// device.
std::unique_ptr<Backend> make_cuda_backend(const CudaOptions& options = {});

}  // namespace steadyflux
