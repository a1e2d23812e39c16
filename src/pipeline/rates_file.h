// A machine's measured rates, kept from one run to the next for better predictions.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "memory/rates.h"

namespace steadyflux {

// JSON with every rate per second, and the device and the number of threads that they were measured with.
std::string rates_json(const Rates& rates, std::string_view device, int threads);

// Writes them, making the directory where there is none. Throws Error(kIo).
void save_rates(const std::filesystem::path& path, const Rates& rates, std::string_view device, int threads);

// What the file says; nothing when there is none, when it was measured with another device or number of threads, or
// when it is damaged: a prediction is never a reason to fail.
std::optional<Rates> load_rates(const std::filesystem::path& path, std::string_view device, int threads);

}  // namespace steadyflux
