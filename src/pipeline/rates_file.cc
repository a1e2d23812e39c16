#include "pipeline/rates_file.h"

#include <nlohmann/json.hpp>
#include <system_error>

#include "base/error.h"
#include "format/json.h"
#include "io/file.h"

namespace steadyflux {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr const char* kThreads = "threads";
constexpr const char* kDevice = "device";
constexpr const char* kCopyBytes = "copy_bytes";

template <typename AnyRates, typename Visit>
void visit_op_rates(AnyRates& rates, const Visit& visit) {
  visit("linear_flops", rates.linear_flops);
  visit("int8_flops", rates.int8_flops);
  visit("attention_flops", rates.attention_flops);
  visit("conv_flops", rates.conv_flops);
  visit("other_bytes", rates.other_bytes);
}

template <typename AnyRates, typename Visit>
void visit_machine_rates(AnyRates& rates, const Visit& visit) {
  visit("disk_bytes", rates.disk_bytes);
  visit("touch_bytes", rates.touch_bytes);
}

OrderedJson op_rates_json(const OpRates& rates) {
  OrderedJson json;
  visit_op_rates(rates, [&](const char* name, double value) { json[name] = value; });
  return json;
}

// Reads the rates of one object; throws what the parser throws when one is missing or no number.
struct ReadRate {
  const Json& json;

  void operator()(const char* name, double& value) const {
    value = json.at(name).get<double>();
    if (!(value > 0)) fail(ErrorCode::kInvalidFile, name, " is not above 0");
  }
};

Rates read_rates(const Json& json) {
  Rates rates;
  visit_op_rates(rates.f32, ReadRate{json.at("f32")});
  visit_op_rates(rates.bf16, ReadRate{json.at("bf16")});
  visit_machine_rates(rates, ReadRate{json});
  if (json.contains(kCopyBytes)) ReadRate{json}(kCopyBytes, rates.copy_bytes);
  return rates;
}

}  // namespace

std::string rates_json(const Rates& rates, std::string_view device, int threads) {
  OrderedJson json = {
      {kDevice, device}, {kThreads, threads}, {"f32", op_rates_json(rates.f32)}, {"bf16", op_rates_json(rates.bf16)}};
  visit_machine_rates(rates, [&](const char* name, double value) { json[name] = value; });
  if (rates.copy_bytes > 0) json[kCopyBytes] = rates.copy_bytes;
  return json.dump(2) + "\n";
}

void save_rates(const std::filesystem::path& path, const Rates& rates, std::string_view device, int threads) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  if (error) fail(ErrorCode::kIo, "cannot make ", path.parent_path().string(), ": ", error.message());
  const std::string text = rates_json(rates, device, threads);
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

std::optional<Rates> load_rates(const std::filesystem::path& path, std::string_view device, int threads) {
  try {
    const Json json = read_json(path);
    if (json.at(kDevice).get<std::string>() != device || json.at(kThreads).get<int>() != threads) return std::nullopt;
    return read_rates(json);
  } catch (const Error&) {
    return std::nullopt;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

}  // namespace steadyflux
