#include "backend/cuda_backend.h"

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "backend/cuda/attention.h"
#include "backend/cuda/context.h"
#include "backend/cuda/event_ring.h"
#include "backend/cuda/kernels.h"
#include "backend/cuda/matrix_ops.h"
#include "backend/cuda/op_clock.h"
#include "backend/cuda/operands.h"
#include "backend/cuda/regions.h"
#include "backend/host_backend.h"
#include "tensor/block_layout.h"
#include "tensor/codec.h"

namespace steadyflux {
namespace {

using namespace cuda;

// What the driver and cuBLASLt hold of the device besides regions: context, code of kernels, stacks. 535 MiB were
// seen on an H200 with CUDA 13.0; the workspaces of products are scratch and not among it.
constexpr std::uint64_t kOverheadBytes = std::uint64_t{768} << 20;
// What they hold of the process's own memory, there at most 322 MiB with the rest of a run.
constexpr std::uint64_t kHostOverheadBytes = std::uint64_t{512} << 20;
constexpr int kOldestMajor = 8;  // Ampere: bf16 on tensor cores, asynchronous copies

cudaDeviceProp properties_of(int device) {
  const int count = num_cuda_devices();
  if (device < 0 || device >= count) {
    fail(ErrorCode::kInvalidArgument, "there is no CUDA device ", device, "; the driver offers ", count,
         count == 0 ? ": is it installed, and new enough for this build?" : "");
  }
  cudaDeviceProp properties = {};
  check(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
  if (properties.major < kOldestMajor) {
    fail(ErrorCode::kUnsupported, "CUDA device ", device, " (", properties.name, ") has compute capability ",
         properties.major, ".", properties.minor, "; 8.0 (Ampere) is the oldest that is supported; use --device cpu");
  }
  check(cudaSetDevice(device), "cudaSetDevice");
  return properties;
}

// The tables of the quantised types, in the device's memory.
class DeviceTables {
 public:
  explicit DeviceTables(std::atomic<std::uint64_t>& reserved_bytes) {
    std::vector<float> values;
    const auto append = [&](auto&& table) {
      const std::size_t begin = values.size();
      for (const auto value : table) values.push_back(static_cast<float>(value));
      return begin;
    };
    const std::size_t nf4 = append(codec::four_bit_codes(DType::kNf4));
    const std::size_t fp4 = append(codec::four_bit_codes(DType::kFp4));
    const std::size_t iq4 = append(codec::kIq4Codes);
    const std::size_t nested = append(codec::nested_scale_codes());
    const std::size_t bytes = values.size() * sizeof(float);
    memory_ = std::make_unique<DeviceRegion>(bytes, reserved_bytes);
    check(cudaMemcpy(memory_->data(), values.data(), bytes, cudaMemcpyHostToDevice), "cudaMemcpy");
    const auto* const begin = reinterpret_cast<const float*>(memory_->data());
    tables_ = {begin + nf4, begin + fp4, begin + iq4, begin + nested};
  }

  const Tables& tables() const { return tables_; }

 private:
  std::unique_ptr<DeviceRegion> memory_;
  Tables tables_;
};

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(const CudaOptions& options)
      : device_(options.device),
        name_(device_ == 0 ? "cuda" : "cuda:" + std::to_string(device_)),
        properties_(properties_of(options.device)),
        compute_(make_stream()),
        copy_(make_stream()),
        compute_events_(compute_.get()),
        copy_events_(copy_.get()),
        clock_(compute_.get()),
        tables_(reserved_bytes_),
        context_{.stream = compute_.get(),
                 .num_multiprocessors = properties_.multiProcessorCount,
                 .is_hopper = properties_.major == 9 && properties_.minor == 0,
                 .tables = tables_.tables(),
                 .products = {}} {}

  // Memory may be given back once no work uses it.
  ~CudaBackend() override {
    static_cast<void>(cudaSetDevice(device_));
    static_cast<void>(cudaStreamSynchronize(compute_.get()));
    static_cast<void>(cudaStreamSynchronize(copy_.get()));
  }

  std::string_view name() const override { return name_; }
  std::string arithmetic() const override {
    return "cuda, sm_" + std::to_string(properties_.major) + std::to_string(properties_.minor) + ", " +
           std::to_string(properties_.multiProcessorCount) + " multiprocessors, cuBLASLt " +
           std::to_string(cublasLtGetVersion());
  }
  bool is_discrete() const override { return true; }
  DeviceMemory device_memory() const override {
    return {properties_.totalGlobalMem, kOverheadBytes, reserved_bytes_.load(), kHostOverheadBytes};
  }

  std::size_t scratch_bytes(const ops::Op& op) override {
    use_device();
    return std::visit(
        [this](const auto& each) -> std::size_t {
          if constexpr (requires { cuda::scratch_bytes(context_, each); }) return cuda::scratch_bytes(context_, each);
          return 0;
        },
        op);
  }
  void run(const ops::Op& op, std::span<std::byte> scratch) override;
  Profile profile() override {
    use_device();
    return clock_.profile();
  }

  std::unique_ptr<Region> reserve(std::size_t bytes) override {
    use_device();
    return std::make_unique<DeviceRegion>(bytes, reserved_bytes_);
  }
  std::unique_ptr<Region> reserve_host(std::size_t bytes) override {
    use_device();
    return std::make_unique<PinnedRegion>(bytes);
  }

  void upload(std::span<const std::byte> host, const Tensor& tensor) override;
  void download(const Tensor& tensor, std::span<std::byte> host) override;
  Event copy_async(std::span<const std::byte> host, std::byte* device) override;

  Event record(Stream stream) noexcept override {
    // A failure shows when the event is recorded.
    static_cast<void>(cudaSetDevice(device_));
    return {stream, events(stream).record()};
  }
  void wait(Event event) override { events(event.stream).wait(event.number); }
  void wait_on(Stream stream, Event event) override {
    if (event.stream == stream) return;
    use_device();
    events(event.stream).wait_on(stream == Stream::kCompute ? compute_.get() : copy_.get(), event.number);
  }

 private:
  // The runtime keeps a device for each thread, and two threads come here.
  void use_device() const { check(cudaSetDevice(device_), "cudaSetDevice"); }
  EventRing& events(Stream stream) { return stream == Stream::kCompute ? compute_events_ : copy_events_; }

  const int device_;
  const std::string name_;
  const cudaDeviceProp properties_;
  std::atomic<std::uint64_t> reserved_bytes_ = 0;
  Owner<cudaStream_t> compute_;
  Owner<cudaStream_t> copy_;
  EventRing compute_events_;
  EventRing copy_events_;
  OpClock clock_;
  DeviceTables tables_;
  Context context_;
};

void CudaBackend::run(const ops::Op& op, std::span<std::byte> scratch) {
  use_device();
  clock_.begin();
  std::visit(
      [&](const auto& each) {
        using Each = std::remove_cvref_t<decltype(each)>;
        if constexpr (std::is_same_v<Each, ops::EmbedRows>) {
          embed(each, context_.tables, context_.stream);
        } else if constexpr (requires { cuda::run(context_, each, scratch); }) {
          cuda::run(context_, each, scratch);
        } else if constexpr (requires { cuda::run(context_, each); }) {
          cuda::run(context_, each);
        } else {
          cuda::launch(each, context_.stream);
        }
      },
      op);
  clock_.end(op);
}

void CudaBackend::upload(std::span<const std::byte> host, const Tensor& tensor) {
  check_copy(tensor, host.size());
  if (host.empty()) return;
  use_device();
  check(cudaMemcpyAsync(tensor.data, host.data(), host.size(), cudaMemcpyHostToDevice, compute_.get()),
        "cudaMemcpyAsync");
  // The driver has taken a copy of ordinary memory by now, but reads locked memory while the stream goes on.
  cudaPointerAttributes attributes = {};
  check(cudaPointerGetAttributes(&attributes, host.data()), "cudaPointerGetAttributes");
  if (attributes.type != cudaMemoryTypeUnregistered) {
    check(cudaStreamSynchronize(compute_.get()), "cudaStreamSynchronize");
  }
}

void CudaBackend::download(const Tensor& tensor, std::span<std::byte> host) {
  check_copy(tensor, host.size());
  use_device();
  if (!host.empty()) {
    check(cudaMemcpyAsync(host.data(), tensor.data, host.size(), cudaMemcpyDeviceToHost, compute_.get()),
          "cudaMemcpyAsync");
  }
  check(cudaStreamSynchronize(compute_.get()), "cudaStreamSynchronize");
}

Event CudaBackend::copy_async(std::span<const std::byte> host, std::byte* device) {
  use_device();
  if (!host.empty()) {
    check(cudaMemcpyAsync(device, host.data(), host.size(), cudaMemcpyHostToDevice, copy_.get()), "cudaMemcpyAsync");
  }
  return record(Stream::kCopy);
}

}  // namespace

bool has_cuda_backend() noexcept { return true; }

int num_cuda_devices() noexcept {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

std::unique_ptr<Backend> make_cuda_backend(const CudaOptions& options) {
  return std::make_unique<CudaBackend>(options);
}

}  // namespace steadyflux
