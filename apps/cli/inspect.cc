// steadyflux inspect: what is in a safetensors file or a model directory.
#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "commands.h"
#include "component_flags.h"
#include "format/gguf.h"
#include "format/printable.h"
#include "format/safetensors.h"
#include "io/file.h"
#include "pipeline/open_model.h"

namespace steadyflux::cli {
namespace {

using Json = nlohmann::ordered_json;

struct InspectFlags {
  std::filesystem::path path;
  ReplacedWeights replaced;
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

// A file of either container.
struct FileContent {
  std::string format;
  std::map<std::string, std::string> metadata;
  std::vector<TensorInfo> tensors;
  std::map<std::string, std::uint64_t> bytes_by_dtype = {};
};

FileContent read_content(const ReadableFile& file) {
  FileContent content;
  if (is_gguf(file)) {
    GgufHeader header = read_gguf_header(file);
    content = {"GGUF version " + std::to_string(header.version), {}, std::move(header.tensors)};
    for (const auto& [key, value] : header.metadata) content.metadata.emplace(key, to_string(value));
  } else {
    SafetensorsHeader header = read_safetensors_header(file);
    content = {"safetensors", std::move(header.metadata), std::move(header.tensors)};
  }
  for (const TensorInfo& tensor : content.tensors) {
    content.bytes_by_dtype[std::string(dtype_name(tensor.dtype))] += tensor.num_bytes;
  }
  return content;
}

void inspect_file(const InspectFlags& flags) {
  const auto file = open_file(flags.path);
  const FileContent content = read_content(*file);
  if (flags.json) {
    Json json = {{"file", flags.path.string()},
                 {"format", content.format},
                 {"bytes", file->size()},
                 {"metadata", content.metadata},
                 {"bytes_by_dtype", content.bytes_by_dtype}};
    json["tensors"] = Json::array();
    for (const TensorInfo& tensor : content.tensors) json["tensors"].push_back(tensor_json(tensor));
    print(json);
    return;
  }
  std::cout << flags.path.string() << ": " << content.format << ", " << content.tensors.size() << " tensors, "
            << format_bytes(file->size()) << '\n';
  for (const auto& [dtype, bytes] : content.bytes_by_dtype) {
    std::cout << "  " << std::left << std::setw(8) << dtype << format_bytes(bytes) << '\n';
  }
  for (const auto& [key, value] : content.metadata) std::cout << "  " << key << " = " << printable(value) << '\n';
  for (const TensorInfo& tensor : content.tensors) {
    std::cout << "  " << std::left << std::setw(8) << dtype_name(tensor.dtype) << printable(tensor.name) << " [";
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
    summary.bytes += entry.num_bytes();
    summary.parameters += static_cast<std::uint64_t>(entry.num_elements());
    summary.bytes_by_dtype[std::string(dtype_name(entry.dtype))] += entry.num_bytes();
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
    if (!flags.replaced.empty()) fail(ErrorCode::kInvalidArgument, "a single file has no components to replace");
    inspect_file(flags);
    return kDone;
  }
  OpenModel model = open_model(flags.path, flags.replaced);
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
  CLI::App& app =
      *program.add_subcommand("inspect", "Show what is in a safetensors or GGUF file, or a model directory");
  app.add_option("path", flags->path, "File or directory")->required();
  add_component_flags(app,
                      [flags](Component component, const std::string& file) { flags->replaced[component] = file; });
  app.add_flag("--json", flags->json, "As JSON");
  return [flags] { return inspect(*flags); };
}

}  // namespace steadyflux::cli
