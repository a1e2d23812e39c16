// Fuzzes the JSON of configurations: any text gives values or an Error.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/function_ref.h"
#include "format/config.h"

namespace {

using steadyflux::Config;

void expect_value_or_error(steadyflux::FunctionRef<void()> call) {
  try {
    call();
  } catch (const steadyflux::Error&) {
    // The expected answer to a broken file.
  }
}

void read_every_way(const Config& config, const std::string& key) {
  expect_value_or_error([&] { config.require_int(key, steadyflux::kCountRange); });
  expect_value_or_error([&] { config.require_float(key); });
  expect_value_or_error([&] { config.require_bool(key); });
  expect_value_or_error([&] { config.require_string(key); });
  expect_value_or_error([&] { config.require_ints(key); });
  expect_value_or_error([&] { config.require_nullable_strings(key); });
  expect_value_or_error([&] { config.require_section(key); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  expect_value_or_error([&] {
    const Config config = Config::parse(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz.json");
    for (const std::string& key : config.keys()) read_every_way(config, key);
  });
  return 0;
}
