// steadyflux inspect: what is in a safetensors file or a model directory.
#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/bytes.h"
#include "commands.h"
#include "format/safetensors.h"
#include "io/file.h"
#include "pipeline/open_model.h"

namespace steadyflux::cli {
namespace {

using Json = nlohmann::ordered_json;

struct InspectFlags {
  std::filesystem::path path;
  bool json = false;
};

void print(const Json& json) { std::cout << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n'; }

Json tensor_json(const TensorInfo& tensor) {
  return {{"name", tensor.name},
          {"dtype", dtype_name(tensor.dtype)},
          {"shape", tensor.shape},
          {"offset", tensor.offset},
          {"bytes", tensor.num_bytes}};
}

void inspect_file(const InspectFlags& flags) {
  const auto file = open_file(flags.path);
  const SafetensorsHeader header = read_safetensors_header(*file);
  if (flags.json) {
    Json json = {{"file", flags.path.string()}, {"bytes", file->size()}, {"metadata", header.metadata}};
    json["tensors"] = Json::array();
    for (const TensorInfo& tensor : header.tensors) json["tensors"].push_back(tensor_json(tensor));
    print(json);
    return;
  }
  std::cout << flags.path.string() << ": " << header.tensors.size() << " tensors, " << format_bytes(file->size())
            << '\n';
  for (const auto& [key, value] : header.metadata) std::cout << "  " << key << " = " << value << '\n';
  for (const TensorInfo& tensor : header.tensors) {
    std::cout << "  " << std::left << std::setw(5) << dtype_name(tensor.dtype) << tensor.name << " [";
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) std::cout << (i == 0 ? "" : ", ") << tensor.shape[i];
    std::cout << "]\n";
  }
}

struct ComponentSummary {
  std::size_t tensors = 0;
  std::uint64_t parameters = 0;
  std::uint64_t bytes = 0;
  std::map<std::string, std::uint64_t> bytes_by_dtype;
};

ComponentSummary summarise(const WeightIndex& index) {
  ComponentSummary summary;
  for (const auto& [name, entry] : index.entries()) {
    ++summary.tensors;
    summary.bytes += entry.num_bytes;
    summary.parameters += entry.num_bytes / dtype_bytes(entry.dtype);
    summary.bytes_by_dtype[std::string(dtype_name(entry.dtype))] += entry.num_bytes;
  }
  return summary;
}

Json model_json(const OpenModel& model) {
  Json json = {{"model", model.name},
               {"double_blocks", model.flux.num_double_blocks},
               {"single_blocks", model.flux.num_single_blocks},
               {"width", model.flux.width()},
               {"heads", model.flux.num_heads},
               {"guidance", model.flux.guidance_embeds}};
  for (const auto& index : model.indexes) {
    const ComponentSummary summary = summarise(*index);
    json["components"].push_back({{"name", index->component()},
                                  {"tensors", summary.tensors},
                                  {"parameters", summary.parameters},
                                  {"bytes", summary.bytes},
                                  {"bytes_by_dtype", summary.bytes_by_dtype}});
  }
  return json;
}

void print_table(const Json& json) {
  std::cout << json["model"].get<std::string>() << ": " << json["double_blocks"] << " double and "
            << json["single_blocks"] << " single blocks, " << json["width"] << " wide, " << json["heads"] << " heads, "
            << (json["guidance"].get<bool>() ? "guidance-distilled" : "no guidance input") << '\n';
  for (const Json& component : json["components"]) {
    std::cout << "  " << std::left << std::setw(16) << component["name"].get<std::string>() << std::right
              << std::setw(15) << component["parameters"].get<std::uint64_t>() << " parameters  " << std::setw(9)
              << format_bytes(component["bytes"].get<std::uint64_t>()) << ' ';
    for (const auto& [dtype, bytes] : component["bytes_by_dtype"].items()) std::cout << ' ' << dtype;
    std::cout << '\n';
  }
}

int inspect(const InspectFlags& flags) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(flags.path, ignored)) {
    inspect_file(flags);
    return kDone;
  }
  OpenModel model = open_model(flags.path);
  if (model.has_encoders()) open_encoders(model);
  const Json json = model_json(model);
  if (flags.json) {
    print(json);
  } else {
    print_table(json);
  }
  return kDone;
}

}  // namespace

Command add_inspect(CLI::App& program) {
  auto flags = std::make_shared<InspectFlags>();
  CLI::App& app = *program.add_subcommand("inspect", "Show what is in a safetensors file or a model directory");
  app.add_option("path", flags->path, "File or directory")->required();
  app.add_flag("--json", flags->json, "As JSON");
  return [flags] { return inspect(*flags); };
}

}  // namespace steadyflux::cli
