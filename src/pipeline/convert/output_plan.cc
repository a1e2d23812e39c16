#include "pipeline/convert/output_plan.h"

#include <algorithm>
#include <map>

#include "base/checked.h"
#include "base/error.h"
#include "format/json.h"
#include "format/printable.h"
#include "tensor/codec.h"

namespace steadyflux::convert {
namespace {

bool is_plain(DType dtype) { return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16; }

bool is_four_bit(DType dtype) { return dtype == DType::kNf4 || dtype == DType::kFp4; }

// Whether a matrix is quantised when nobody says otherwise.
bool is_quantised_by_default(Component component, DType to, std::string_view name) {
  if (component == Component::kT5) {
    const bool in_layer = name.starts_with("encoder.block.");
    return in_layer && !(is_four_bit(to) && name.find(".DenseReluDense.wo.") != std::string_view::npos);
  }
  if (component == Component::kClip) return name.find(".encoder.layers.") != std::string_view::npos;
  if (component == Component::kAutoencoder) return false;
  if (name.starts_with("transformer_blocks.") || name.starts_with("single_transformer_blocks.")) return true;
  // The loaders are told what is not quantised by names of modules, and every single block has a proj_out.
  return is_four_bit(to) && name == "proj_out.weight";
}

class Planner {
 public:
  Planner(const WeightIndex& index, Component component, Container container, const ConvertOptions& options,
          bool convert)
      : index_(index), component_(component), container_(container), options_(options), convert_(convert) {}

  OutputPlan plan(std::span<const WeightSpec> weights) {
    std::vector<std::string> names;
    for (const WeightSpec& weight : weights) {
      names.push_back(weight.name);
      specs_[weight.name] = &weight;
    }
    OutputPlan plan{component_, container_, {}};
    const Dialect dialect = container_ == Container::kGguf ? Dialect::kGguf : Dialect::kDiffusers;
    for (JoinedWeights& joined_weights : joined(names, component_, dialect)) {
      plan.tensors.push_back(plan_tensor(std::move(joined_weights)));
    }
    return plan;
  }

 private:
  OutputTensor plan_tensor(JoinedWeights&& joined_weights) const {
    OutputTensor tensor{std::move(joined_weights.name), std::move(joined_weights.parts), {}, {}, false};
    const Shape& first = specs_.at(tensor.parts.front())->shape;
    for (int i = 0; i < first.rank(); ++i) tensor.shape.push_back(first[i]);
    for (std::size_t i = 1; i < tensor.parts.size(); ++i) tensor.shape[0] += specs_.at(tensor.parts[i])->shape[0];
    const DType asked = common_dtype(tensor);
    tensor.dtype = fitting(tensor, asked);
    tensor.fell_back = is_quantised(asked) && tensor.dtype != asked;
    return tensor;
  }

  // Of all parts. What stays and is of several types is stored as the wider.
  DType common_dtype(const OutputTensor& tensor) const {
    DType dtype = dtype_of(tensor.parts.front());
    for (const std::string& part : tensor.parts) {
      const DType other = dtype_of(part);
      if (other == dtype) continue;
      if (!is_plain(other) || !is_plain(dtype)) {
        fail(ErrorCode::kInvalidArgument, tensor.name, " has ", tensor.parts.front(), " and ", part,
             " in it, which would be of different types, ", dtype_name(dtype), " and ", dtype_name(other),
             "; give rules that match both");
      }
      dtype = DType::kF32;
    }
    return dtype;
  }

  DType dtype_of(const std::string& name) const {
    const WeightSpec& spec = *specs_.at(name);
    if (convert_) {
      const auto rule = std::find_if(options_.rules.rbegin(), options_.rules.rend(),
                                     [&](const TypeRule& r) { return matches(r.pattern, name); });
      if (rule != options_.rules.rend()) return checked(*rule, spec);
      if (is_plain(options_.to)) return in_container(spec, options_.to);
      if (spec.matrix && is_quantised_by_default(component_, options_.to, name)) return options_.to;
    }
    const DType present = index_.at(name).dtype;
    return in_container(spec, can_hold(container_, present) ? present : DType::kBF16);
  }

  // Programs that read GGUF files expect vectors in f32.
  DType in_container(const WeightSpec& spec, DType dtype) const {
    const bool vector = spec.shape.rank() < 2;
    return container_ == Container::kGguf && vector && is_plain(dtype) ? DType::kF32 : dtype;
  }

  DType checked(const TypeRule& rule, const WeightSpec& spec) const {
    if (!is_plain(rule.dtype) && !spec.matrix) {
      fail(ErrorCode::kInvalidArgument, "the rule '", printable(rule.pattern), "=", dtype_name(rule.dtype),
           "' matches ", spec.name, ", which is not the weight of a linear layer and may be f32, f16 or bf16");
    }
    if (!can_hold(container_, rule.dtype)) {
      fail(ErrorCode::kInvalidArgument, "the rule '", printable(rule.pattern), "=", dtype_name(rule.dtype), "': a ",
           container_ == Container::kGguf ? "GGUF" : "safetensors", " file has no such type");
    }
    return in_container(spec, rule.dtype);
  }

  DType fitting(const OutputTensor& tensor, DType dtype) const {
    const std::int64_t row = tensor.row_length();
    if (row % block_shape(dtype).elements == 0) return dtype;
    const bool q8 = container_ == Container::kGguf && row % block_shape(DType::kQ8_0).elements == 0;
    return q8 ? DType::kQ8_0 : DType::kBF16;
  }

  const WeightIndex& index_;
  Component component_;
  Container container_;
  const ConvertOptions& options_;
  bool convert_;
  std::map<std::string, const WeightSpec*, std::less<>> specs_;
};

std::int64_t num_blocks(const OutputTensor& tensor) {
  return tensor.num_elements() / block_shape(tensor.dtype).elements;
}

}  // namespace

bool can_hold(Container container, DType dtype) {
  if (is_plain(dtype)) return true;
  if (container == Container::kSafetensors) return has_scales_apart(dtype);
  return is_quantised(dtype) && !has_scales_apart(dtype);
}

std::int64_t OutputTensor::num_elements() const {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  return count;
}

OutputPlan plan_output(const WeightIndex& index, Component component, Container container,
                       std::span<const WeightSpec> weights, const ConvertOptions& options, bool convert) {
  if (convert && !can_hold(container, options.to)) {
    fail(ErrorCode::kInvalidArgument, "a ", container == Container::kGguf ? "GGUF" : "safetensors", " file has no ",
         dtype_name(options.to));
  }
  return Planner(index, component, container, options, convert).plan(weights);
}

void check_rules(std::span<const TypeRule> rules, std::span<const OutputPlan> plans) {
  for (const TypeRule& rule : rules) {
    bool matched = false;
    for (const OutputPlan& plan : plans) {
      for (const OutputTensor& tensor : plan.tensors) {
        matched = matched || std::any_of(tensor.parts.begin(), tensor.parts.end(),
                                         [&](const std::string& part) { return matches(rule.pattern, part); });
      }
    }
    if (matched) continue;
    fail(ErrorCode::kInvalidArgument, "the rule '", printable(rule.pattern), "=", dtype_name(rule.dtype),
         "' matches no weight; names are those of diffusers, for example ", plans[0].tensors[0].parts[0]);
  }
}

std::vector<TensorSpec> tensors_of(const OutputTensor& tensor) {
  if (tensor.dtype == DType::kI8) {
    return {{tensor.name, DType::kI8, tensor.shape}, {tensor.name + "_scale", DType::kF32, {tensor.num_rows()}}};
  }
  if (!is_four_bit(tensor.dtype)) return {{tensor.name, tensor.dtype, tensor.shape}};
  const auto state_bytes = static_cast<std::int64_t>(quant_state(tensor).size());
  const auto codes = static_cast<std::int64_t>(codec::four_bit_codes(tensor.dtype).size());
  return {
      {tensor.name, DType::kU8, {tensor.num_elements() / 2, 1}},
      {tensor.name + ".absmax", DType::kF32, {num_blocks(tensor)}},
      {tensor.name + ".quant_map", DType::kF32, {codes}},
      {tensor.name + ".quant_state.bitsandbytes__" + std::string(dtype_name(tensor.dtype)), DType::kU8, {state_bytes}}};
}

std::string quant_state(const OutputTensor& tensor) {
  const Json state = {{"quant_type", dtype_name(tensor.dtype)},
                      {"blocksize", block_shape(tensor.dtype).elements},
                      {"dtype", "bfloat16"},
                      {"shape", tensor.shape}};
  constexpr std::size_t kAlignment = 8;  // so that what follows in the file is aligned
  std::string text = state.dump();
  text.resize(align_up(text.size(), kAlignment), ' ');
  return text;
}

}  // namespace steadyflux::convert
