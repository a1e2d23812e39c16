#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/bytes.h"
#include "pipeline/doctor/examine.h"
#include "pipeline/rates_file.h"

namespace steadyflux::doctor {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kNameWidth = 22;

class Lines {
 public:
  template <typename... Parts>
  void add(std::string_view name, const Parts&... parts) {
    text_ << std::left << std::setw(kNameWidth) << name;
    (text_ << ... << parts) << '\n';
  }
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
};

std::string giga(double per_second, const char* unit) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(per_second < 1e10 ? 2 : 1) << per_second / 1e9 << ' ' << unit;
  return text.str();
}

std::string op_rates_text(const OpRates& rates) {
  return "linear " + giga(rates.linear_flops, "GFLOP/s") + " (int8 " + giga(rates.int8_flops, "GOP/s") +
         "), attention " + giga(rates.attention_flops, "GFLOP/s") + ", convolution " +
         giga(rates.conv_flops, "GFLOP/s") + ", other " + giga(rates.other_bytes, "GB/s");
}

std::string file_system_text(const FileSystem& system) {
  std::string text = system.path.string() + ": " + format_bytes(system.free_bytes) + " free";
  if (!system.rate) return text + ", not examined: it cannot be written";
  text += system.rate->direct ? ", direct reads" : ", no direct reads";
  if (system.rate->bytes_per_second > 0) text += " at " + giga(system.rate->bytes_per_second, "GB/s");
  return text;
}

Json file_system_json(const FileSystem& system) {
  Json json = {{"holds", system.holds}, {"path", system.path.string()}, {"free_bytes", system.free_bytes}};
  if (system.rate) {
    json["direct_reads"] = system.rate->direct;
    json["bytes_per_second"] = system.rate->bytes_per_second;
  }
  return json;
}

}  // namespace

std::string to_text(const Examination& found) {
  Lines lines;
  const SystemMemory& memory = found.memory;
  lines.add("memory", format_bytes(memory.total_bytes), ", available ", format_bytes(memory.available_bytes));
  if (memory.group_limit_bytes) {
    lines.add("control group", format_bytes(*memory.group_limit_bytes), ", available ",
              format_bytes(memory.group_available_bytes.value_or(0)));
  }
  lines.add("swap", format_bytes(memory.swap_total_bytes), ", in use ",
            format_bytes(memory.swap_total_bytes - memory.swap_free_bytes));
  lines.add("memory can be locked",
            found.lock_limit_bytes ? "up to " + format_bytes(*found.lock_limit_bytes) : std::string("without limit"));
  lines.add("processors", found.threads, " threads, products by ", found.instruction_set,
            found.bf16_products ? ", bf16" : "");
  if (found.discrete) {
    lines.add("device memory", found.device, " with ", format_bytes(found.discrete->memory_bytes), ", copies to it at ",
              giga(found.rates.copy_bytes, "GB/s"));
  }
  lines.add("f32", op_rates_text(found.rates.f32));
  lines.add("bf16", op_rates_text(found.rates.bf16));
  lines.add("memory rate", "copies ", giga(found.copy_bytes, "GB/s"), ", first touch ",
            giga(found.rates.touch_bytes, "GB/s"));
  for (const FileSystem& system : found.file_systems) lines.add(system.holds, file_system_text(system));
  std::string text = lines.text() + "\nadvice\n";
  for (const std::string& line : found.advice) text += "  " + line + "\n";
  return text;
}

std::string to_json(const Examination& found) {
  const SystemMemory& memory = found.memory;
  Json json = {{"total_bytes", memory.total_bytes},
               {"available_bytes", memory.available_bytes},
               {"group_limit_bytes", nullptr},
               {"group_available_bytes", nullptr},
               {"swap_total_bytes", memory.swap_total_bytes},
               {"swap_free_bytes", memory.swap_free_bytes},
               {"lock_limit_bytes", nullptr},
               {"auto_budget_bytes", found.auto_budget_bytes},
               {"device", found.device},
               {"device_memory", nullptr},
               {"threads", found.threads},
               {"instruction_set", found.instruction_set},
               {"bf16_products", found.bf16_products},
               {"copy_bytes_per_second", found.copy_bytes},
               {"rates", Json::parse(rates_json(found.rates, found.device, found.threads))},
               {"file_systems", Json::array()},
               {"advice", found.advice}};
  if (found.discrete) {
    json["device_memory"] = {{"total_bytes", found.discrete->memory_bytes},
                             {"overhead_bytes", found.discrete->overhead_bytes},
                             {"auto_budget_bytes", found.discrete->auto_budget_bytes},
                             {"copy_bytes_per_second", found.rates.copy_bytes}};
  }
  if (memory.group_limit_bytes) json["group_limit_bytes"] = *memory.group_limit_bytes;
  if (memory.group_available_bytes) json["group_available_bytes"] = *memory.group_available_bytes;
  if (found.lock_limit_bytes) json["lock_limit_bytes"] = *found.lock_limit_bytes;
  for (const FileSystem& system : found.file_systems) json["file_systems"].push_back(file_system_json(system));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace steadyflux::doctor
