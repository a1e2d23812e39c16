// Failures of the CUDA runtime and of cuBLASLt as exceptions.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include "base/error.h"

namespace steadyflux::cuda {

// Throws Error(kInternal) that names the call, with the runtime's name and words for the failure. A failure of work
// that was given to the device earlier is reported by whichever call comes next, so the call named may be innocent.
inline void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  fail(ErrorCode::kInternal, call, " failed: ", cudaGetErrorName(status), ", ", cudaGetErrorString(status));
}

// The same for cuBLASLt.
inline void check(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  fail(ErrorCode::kInternal, call, " failed: ", cublasLtGetStatusString(status));
}

}  // namespace steadyflux::cuda
