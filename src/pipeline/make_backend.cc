#include "pipeline/make_backend.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "backend/cpu/cpu_backend.h"
#include "backend/cuda_backend.h"
#include "backend/reference/reference_backend.h"
#include "backend/simulated/simulated_device.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "memory/admission.h"
#include "platform/page_region.h"

namespace steadyflux {
namespace {

// The number in "cuda" or "cuda:N".
std::optional<int> cuda_device(std::string_view name) {
  constexpr std::string_view kCuda = "cuda";
  if (name == kCuda) return 0;
  if (!name.starts_with(kCuda) || name.substr(kCuda.size(), 1) != ":") return std::nullopt;
  const std::string_view digits = name.substr(kCuda.size() + 1);
  const char* const end = digits.data() + digits.size();
  int number = 0;
  const auto [rest, error] = std::from_chars(digits.data(), end, number);
  if (error != std::errc{} || rest != end || number < 0) return std::nullopt;
  return number;
}

std::unique_ptr<Backend> make_host_backend(const EngineOptions& options, const SystemMemory& system) {
  if (options.reference_backend) return make_reference_backend();
  CpuOptions cpu;
  cpu.lock_memory = locks_memory(options.ram_bytes, lock_limit_bytes(), system);
  cpu.num_threads = threads_or_available(options.threads);
  return make_cpu_backend(cpu);
}

// The first card that this program can use; null when there is none.
std::unique_ptr<Backend> find_card() {
  if (num_cuda_devices() == 0) return nullptr;
  try {
    return make_cuda_backend();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    return nullptr;
  }
}

}  // namespace

bool is_device_name(std::string_view name) {
  return name == "auto" || name == "cpu" || name == "simulated" || cuda_device(name).has_value();
}

std::unique_ptr<Backend> make_backend(const EngineOptions& options, const SystemMemory& system) {
  if (options.device == "simulated") {
    const SimulatedDevice& device = options.simulated_device;
    return make_simulated_device([&] { return make_host_backend(options, system); },
                                 {.memory_bytes = device.memory_bytes,
                                  .copy_bytes_per_second = device.copy_bytes_per_second,
                                  .copy_latency_seconds = device.copy_latency_seconds});
  }
  if (const std::optional<int> device = cuda_device(options.device)) return make_cuda_backend({.device = *device});
  if (!is_device_name(options.device)) {
    fail(ErrorCode::kInvalidArgument, "there is no device '", options.device, "'; ", kDeviceNames, " are known");
  }
  if (options.device == "auto" && !options.reference_backend) {
    if (auto card = find_card()) return card;
  }
  if (options.vram_bytes > 0) {
    fail(ErrorCode::kInvalidArgument, "a budget of device memory has no effect on a device that uses the host's");
  }
  return make_host_backend(options, system);
}

std::uint64_t vram_budget(const EngineOptions& options, const DeviceMemory& memory) {
  if (options.vram_bytes == kAutoBudget) return auto_device_budget_bytes(memory.capacity_bytes);
  return options.vram_bytes > 0 ? std::min(options.vram_bytes, memory.capacity_bytes) : memory.capacity_bytes;
}

}  // namespace steadyflux
