#include "pipeline/convert/component_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "io/file.h"

namespace steadyflux::convert {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMaxConfigBytes = 8ull << 20;
constexpr const char* kQuantizationKey = "quantization_config";

Json flux_json(const FluxConfig& flux) {
  return {{"_class_name", "FluxTransformer2DModel"},
          {"patch_size", 1},
          {"in_channels", flux.in_channels},
          {"out_channels", flux.out_channels},
          {"num_layers", flux.num_double_blocks},
          {"num_single_layers", flux.num_single_blocks},
          {"attention_head_dim", flux.head_dim},
          {"num_attention_heads", flux.num_heads},
          {"joint_attention_dim", flux.joint_attention_dim},
          {"pooled_projection_dim", flux.pooled_projection_dim},
          {"guidance_embeds", flux.guidance_embeds},
          {"axes_dims_rope", flux.axes_dims_rope}};
}

Json present_config(const OpenModel& model, const OutputPlan& plan) {
  const std::string_view name = component_name(plan.component);
  const bool replaced = !model.dir.replaced_file(name).empty();
  if (replaced && plan.component == Component::kTransformer) return flux_json(model.flux);
  // It was parsed when the model was opened.
  return Json::parse(read_whole_file(model.dir.component_dir(name) / "config.json", kMaxConfigBytes));
}

// Modules whose matrices are not of the four-bit type.
Json skipped_modules(const OutputPlan& plan, DType dtype) {
  constexpr std::string_view kWeight = ".weight";
  Json skipped = Json::array();
  for (const OutputTensor& tensor : plan.tensors) {
    if (tensor.shape.size() != 2 || tensor.dtype == dtype || !tensor.name.ends_with(kWeight)) continue;
    skipped.push_back(tensor.name.substr(0, tensor.name.size() - kWeight.size()));
  }
  return skipped;
}

// Source: BitsAndBytesConfig.to_dict in diffusers and transformers.
Json quantization_config(const OutputPlan& plan, DType dtype) {
  return {{"quant_method", "bitsandbytes"},
          {"load_in_4bit", true},
          {"load_in_8bit", false},
          {"bnb_4bit_quant_type", dtype == DType::kNf4 ? "nf4" : "fp4"},
          {"bnb_4bit_use_double_quant", false},
          {"bnb_4bit_compute_dtype", "bfloat16"},
          {"bnb_4bit_quant_storage", "uint8"},
          {"llm_int8_skip_modules", skipped_modules(plan, dtype)}};
}

}  // namespace

std::string component_config(const OpenModel& model, const OutputPlan& plan) {
  Json config = present_config(model, plan);
  config.erase(kQuantizationKey);
  for (const DType dtype : {DType::kNf4, DType::kFp4}) {
    const bool used = std::any_of(plan.tensors.begin(), plan.tensors.end(),
                                  [&](const OutputTensor& tensor) { return tensor.dtype == dtype; });
    if (used) config[kQuantizationKey] = quantization_config(plan, dtype);
  }
  return config.dump(2) + "\n";
}

}  // namespace steadyflux::convert
