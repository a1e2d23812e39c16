#include "backend/cuda/regions.h"

#include <cuda_runtime_api.h>

#include "backend/cuda/check.h"
#include "base/bytes.h"

namespace steadyflux::cuda {
namespace {

// The runtime keeps a failure for whoever asks next; this one has been told.
void forget_failure() { static_cast<void>(cudaGetLastError()); }

[[noreturn]] void fail_device_memory(std::size_t bytes, cudaError_t status) {
  forget_failure();
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  static_cast<void>(cudaMemGetInfo(&free_bytes, &total_bytes));
  fail(ErrorCode::kIo, "the device has no room for ", format_bytes(bytes), ": of its ", format_bytes(total_bytes), ", ",
       format_bytes(free_bytes), " are free (", cudaGetErrorName(status),
       "); close other programs that use it, or declare a smaller budget with --vram");
}

}  // namespace

DeviceRegion::DeviceRegion(std::size_t bytes, std::atomic<std::uint64_t>& reserved_bytes)
    : bytes_(bytes), reserved_bytes_(reserved_bytes) {
  if (bytes_ == 0) return;
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes_);
  if (status == cudaErrorMemoryAllocation) fail_device_memory(bytes_, status);
  check(status, "cudaMalloc");
  data_ = static_cast<std::byte*>(memory);
  reserved_bytes_ += bytes_;
}

DeviceRegion::~DeviceRegion() {
  if (data_ == nullptr) return;
  static_cast<void>(cudaFree(data_));
  reserved_bytes_ -= bytes_;
}

PinnedRegion::PinnedRegion(std::size_t bytes) : bytes_(bytes), pages_(bytes) {
  if (bytes_ == 0) return;
  const cudaError_t status = cudaHostRegister(pages_.data(), pages_.size(), cudaHostRegisterPortable);
  if (status == cudaSuccess) return;
  forget_failure();
  fail(ErrorCode::kIo, "the driver refused to lock ", format_bytes(bytes_),
       " of memory for copies to the device: ", cudaGetErrorName(status), ", ", cudaGetErrorString(status),
       "; declare a smaller budget with --ram");
}

PinnedRegion::~PinnedRegion() {
  if (bytes_ > 0) static_cast<void>(cudaHostUnregister(pages_.data()));
}

}  // namespace steadyflux::cuda
