#include "pipeline/doctor/examine.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <system_error>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "base/error.h"
#include "memory/admission.h"
#include "pipeline/doctor/op_rates.h"
#include "pipeline/make_backend.h"
#include "platform/page_region.h"

namespace steadyflux::doctor {
namespace {

namespace fs = std::filesystem;

// Rates are measured in rounds through all of them and medians kept, so that a moment in which the machine does
// something else spoils none.
constexpr double kSecondsPerRound = 0.2;

fs::path largest_weight_file(const fs::path& directory) {
  fs::path largest;
  std::uintmax_t largest_bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file() || entry.path().extension() != ".safetensors") continue;
    if (entry.file_size() <= largest_bytes) continue;
    largest_bytes = entry.file_size();
    largest = entry.path();
  }
  return largest;
}

fs::path existing_parent(fs::path path) {
  std::error_code ignored;
  while (!path.empty() && !fs::is_directory(path, ignored) && path.has_relative_path()) path = path.parent_path();
  return path.empty() ? fs::path(".") : path;
}

std::uint64_t free_bytes(const fs::path& path) {
  std::error_code error;
  const fs::space_info space = fs::space(path, error);
  return error ? 0 : space.available;
}

// A model's own file where it is large enough to tell, otherwise one made beside it.
std::optional<DiskRate> rate_of_model(const fs::path& directory, double seconds) {
  std::optional<DiskRate> rate;
  try {
    rate = measure_file(largest_weight_file(directory), seconds);
    if (rate->bytes_per_second == 0) rate = measure_directory(directory, seconds);
  } catch (const Error&) {
    // Directories of models are often read-only: what was learnt from the file itself must do.
  }
  return rate;
}

std::optional<DiskRate> rate_of_cache(const fs::path& directory, double seconds) {
  try {
    return measure_directory(directory, seconds);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::unique_ptr<Backend> open_device(const Settings& settings, Examination& found) {
  EngineOptions options;
  options.device = settings.device;
  options.simulated_device = settings.simulated_device;
  options.threads = settings.threads;
  auto backend = make_backend(options, found.memory);
  found.device = backend->name();
  if (!backend->is_discrete()) return backend;
  const DeviceMemory memory = backend->device_memory();
  found.discrete = {memory.capacity_bytes, memory.overhead_bytes, auto_device_budget_bytes(memory.capacity_bytes)};
  return backend;
}

// Every rate once; the disk's is none of a device.
Rates measure_round(Backend& backend, double seconds) {
  Rates rates;
  rates.touch_bytes = measure_touch_rate();
  if (backend.is_discrete()) rates.copy_bytes = measure_device_copy_rate(backend, seconds);
  rates.f32 = measure_op_rates(backend, DType::kF32, seconds);
  rates.bf16 = measure_op_rates(backend, DType::kBF16, seconds);
  return rates;
}

}  // namespace

Examination examine(const Settings& settings) {
  Examination found;
  found.memory = SystemFigures(settings.system_root).memory();
  found.auto_budget_bytes = auto_budget_bytes(found.memory);
  found.lock_limit_bytes = steadyflux::lock_limit_bytes();
  found.threads = settings.threads;
  const CpuProducts products = cpu_products();
  found.instruction_set = products.instruction_set;
  found.bf16_products = products.bf16;

  found.copy_bytes = measure_copy_rate(settings.threads, settings.seconds / 2);
  const auto backend = open_device(settings, found);
  std::vector<Rates> rounds;
  const int num_rounds = std::max(1, static_cast<int>(std::lround(settings.seconds / kSecondsPerRound)));
  for (int i = 0; i < num_rounds; ++i) rounds.push_back(measure_round(*backend, settings.seconds / num_rounds));
  found.rates = median_rates(rounds);

  const fs::path cache = existing_parent(settings.cache);
  found.file_systems.push_back(
      {"model", settings.model, free_bytes(settings.model), rate_of_model(settings.model, 2 * settings.seconds)});
  found.file_systems.push_back({"cache", cache, free_bytes(cache), rate_of_cache(cache, settings.seconds)});
  for (const FileSystem& system : found.file_systems) {
    if (found.rates.disk_bytes == 0 && system.rate) found.rates.disk_bytes = system.rate->bytes_per_second;
  }
  found.advice = advise(found);
  return found;
}

}  // namespace steadyflux::doctor
