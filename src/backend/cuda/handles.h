// Owners of what the CUDA runtime and cuBLASLt hand out.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <memory>
#include <type_traits>

#include "backend/cuda/check.h"

namespace steadyflux::cuda {

// Gives back with the function of its type; a failure then has no one to be told to.
struct GiveBack {
  void operator()(cudaStream_t stream) const noexcept { static_cast<void>(cudaStreamDestroy(stream)); }
  void operator()(cudaEvent_t event) const noexcept { static_cast<void>(cudaEventDestroy(event)); }
  void operator()(cublasLtHandle_t handle) const noexcept { static_cast<void>(cublasLtDestroy(handle)); }
  void operator()(cublasLtMatmulDesc_t desc) const noexcept { static_cast<void>(cublasLtMatmulDescDestroy(desc)); }
  void operator()(cublasLtMatrixLayout_t layout) const noexcept {
    static_cast<void>(cublasLtMatrixLayoutDestroy(layout));
  }
  void operator()(cublasLtMatmulPreference_t preference) const noexcept {
    static_cast<void>(cublasLtMatmulPreferenceDestroy(preference));
  }
};

template <typename Pointer>
using Owner = std::unique_ptr<std::remove_pointer_t<Pointer>, GiveBack>;

// Of the calling thread's device; does not wait for the stream that other code uses by default.
inline Owner<cudaStream_t> make_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  return Owner<cudaStream_t>(stream);
}

// Without a clock. A thread that waits for it sleeps.
inline Owner<cudaEvent_t> make_event() {
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming | cudaEventBlockingSync), "cudaEventCreateWithFlags");
  return Owner<cudaEvent_t>(event);
}

// With a clock.
inline Owner<cudaEvent_t> make_timed_event() {
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventBlockingSync), "cudaEventCreateWithFlags");
  return Owner<cudaEvent_t>(event);
}

inline Owner<cublasLtHandle_t> make_lt_handle() {
  cublasLtHandle_t handle = nullptr;
  check(cublasLtCreate(&handle), "cublasLtCreate");
  return Owner<cublasLtHandle_t>(handle);
}

}  // namespace steadyflux::cuda
