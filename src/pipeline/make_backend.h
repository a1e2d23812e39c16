// The device that options ask for. The one place that picks a backend for runs.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "backend/backend.h"
#include "platform/system_memory.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux {

// The names that EngineOptions::device may have, in words, and whether one of them is meant.
inline constexpr const char* kDeviceNames = "auto, cpu, cuda, cuda:N and simulated";
bool is_device_name(std::string_view name);

// Of `options`, device, threads and the two budgets count; ram_bytes in bytes, not kAutoBudget. Throws
// Error(kInvalidArgument) when there is no such device, or a budget for memory that it does not have;
// Error(kUnsupported) when it is a kind of device that this build has nothing for.
std::unique_ptr<Backend> make_backend(const EngineOptions& options, const SystemMemory& system);

// What `options` allow to be held of the device's memory; 0 where it is the host's.
std::uint64_t vram_budget(const EngineOptions& options, const DeviceMemory& memory);

}  // namespace steadyflux
