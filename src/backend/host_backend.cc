#include "backend/host_backend.h"

#include <algorithm>

#include "base/error.h"

namespace steadyflux {

void check_copy(const Tensor& tensor, std::size_t host_bytes) {
  ensure(tensor.is_contiguous() && tensor.num_bytes() == host_bytes, "a copy between ", host_bytes,
         " bytes and a tensor ", tensor.shape.to_string(), " of ", dtype_name(tensor.dtype));
}

void HostBackend::upload(std::span<const std::byte> host, const Tensor& tensor) {
  check_copy(tensor, host.size());
  std::copy(host.begin(), host.end(), tensor.data);
}

void HostBackend::download(const Tensor& tensor, std::span<std::byte> host) {
  check_copy(tensor, host.size());
  std::copy_n(tensor.data, host.size(), host.data());
}

Event HostBackend::copy_async(std::span<const std::byte> host, std::byte* device) {
  std::copy(host.begin(), host.end(), device);
  return {};
}

}  // namespace steadyflux
