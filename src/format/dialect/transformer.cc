#include <algorithm>
#include <array>
#include <span>

#include "format/dialect/rules.h"

namespace steadyflux::dialect {
namespace {

// Modules that a module is called, or is cut into.
struct Part {
  std::string_view to;
  std::int64_t share = 1;
};
struct Rule {
  std::string_view from;
  std::array<Part, 4> parts = {};  // those without a name do not count
};

constexpr std::array<Rule, 14> kDoubleBlock = {{
    {"img_mod.lin", {{{"norm1.linear"}}}},
    {"txt_mod.lin", {{{"norm1_context.linear"}}}},
    {"img_attn.qkv", {{{"attn.to_q"}, {"attn.to_k"}, {"attn.to_v"}}}},
    {"txt_attn.qkv", {{{"attn.add_q_proj"}, {"attn.add_k_proj"}, {"attn.add_v_proj"}}}},
    {"img_attn.norm.query_norm", {{{"attn.norm_q"}}}},
    {"img_attn.norm.key_norm", {{{"attn.norm_k"}}}},
    {"txt_attn.norm.query_norm", {{{"attn.norm_added_q"}}}},
    {"txt_attn.norm.key_norm", {{{"attn.norm_added_k"}}}},
    {"img_attn.proj", {{{"attn.to_out.0"}}}},
    {"txt_attn.proj", {{{"attn.to_add_out"}}}},
    {"img_mlp.0", {{{"ff.net.0.proj"}}}},
    {"img_mlp.2", {{{"ff.net.2"}}}},
    {"txt_mlp.0", {{{"ff_context.net.0.proj"}}}},
    {"txt_mlp.2", {{{"ff_context.net.2"}}}},
}};
constexpr std::array<Rule, 5> kSingleBlock = {{
    {"modulation.lin", {{{"norm.linear"}}}},
    {"linear1", {{{"attn.to_q"}, {"attn.to_k"}, {"attn.to_v"}, {"proj_mlp", 4}}}},
    {"linear2", {{{"proj_out"}}}},
    {"norm.query_norm", {{{"attn.norm_q"}}}},
    {"norm.key_norm", {{{"attn.norm_k"}}}},
}};
constexpr std::array<Rule, 10> kOutside = {{
    {"time_in.in_layer", {{{"time_text_embed.timestep_embedder.linear_1"}}}},
    {"time_in.out_layer", {{{"time_text_embed.timestep_embedder.linear_2"}}}},
    {"vector_in.in_layer", {{{"time_text_embed.text_embedder.linear_1"}}}},
    {"vector_in.out_layer", {{{"time_text_embed.text_embedder.linear_2"}}}},
    {"guidance_in.in_layer", {{{"time_text_embed.guidance_embedder.linear_1"}}}},
    {"guidance_in.out_layer", {{{"time_text_embed.guidance_embedder.linear_2"}}}},
    {"img_in", {{{"x_embedder"}}}},
    {"txt_in", {{{"context_embedder"}}}},
    {"final_layer.linear", {{{"proj_out"}}}},
    {"final_layer.adaLN_modulation.1", {{{"norm_out.shift.linear"}, {"norm_out.scale.linear"}}}},
}};
constexpr std::array<Rule, 1> kDiffusers = {{
    {"norm_out.linear", {{{"norm_out.scale.linear"}, {"norm_out.shift.linear"}}}},
}};

constexpr std::string_view kDoubleList = "transformer_blocks";
constexpr std::string_view kSingleList = "single_transformer_blocks";

// BFL calls the weight of an RMS norm its scale.
std::string canonical_leaf(std::string_view leaf) { return leaf == "scale" ? "weight" : std::string(leaf); }

CanonicalNames apply(std::span<const Rule> rules, std::string_view name, const std::string& prefix) {
  const SplitName split = split_leaf(name);
  const auto rule = std::find_if(rules.begin(), rules.end(), [&](const Rule& r) { return r.from == split.module; });
  CanonicalNames names;
  if (rule == rules.end()) return names;
  for (const Part& part : rule->parts) {
    if (part.to.empty()) break;
    names.push_back({prefix + std::string(part.to) + "." + canonical_leaf(split.leaf), part.share});
  }
  return names;
}

std::string block_prefix(std::string_view list, std::int64_t index) {
  return std::string(list) + "." + std::to_string(index) + ".";
}

// The inverse of apply(): `prefix` stands before canonical names, `written_prefix` before those of the rules.
JoinedWeights join(std::span<const Rule> rules, std::string_view name, const std::string& prefix,
                   const std::string& written_prefix) {
  const SplitName split = split_leaf(name);
  for (const Rule& rule : rules) {
    const auto made = [&](const Part& part) { return part.to == split.module; };
    if (std::none_of(rule.parts.begin(), rule.parts.end(), made)) continue;
    const bool is_norm = rule.from.ends_with("_norm");
    const std::string leaf = is_norm && split.leaf == "weight" ? "scale" : std::string(split.leaf);
    JoinedWeights tensor{written_prefix + std::string(rule.from) + "." + leaf, {}};
    for (const Part& part : rule.parts) {
      if (!part.to.empty()) tensor.parts.push_back(prefix + std::string(part.to) + "." + std::string(split.leaf));
    }
    return tensor;
  }
  return {prefix + std::string(name), {prefix + std::string(name)}};
}

}  // namespace

CanonicalNames transformer_names(std::string_view name) {
  CanonicalNames names;
  if (const ListedName block = in_list(name, "double_blocks"); block.matches) {
    names = apply(kDoubleBlock, block.rest, block_prefix(kDoubleList, block.index));
  } else if (const ListedName single = in_list(name, "single_blocks"); single.matches) {
    names = apply(kSingleBlock, single.rest, block_prefix(kSingleList, single.index));
  } else {
    names = apply(kOutside, name, "");
    if (names.empty()) names = apply(kDiffusers, name, "");
  }
  if (names.empty()) names.push_back({std::string(name)});
  return names;
}

JoinedWeights diffusers_transformer_name(std::string_view canonical_name) {
  return join(kDiffusers, canonical_name, "", "");
}

JoinedWeights bfl_transformer_name(std::string_view canonical_name) {
  if (const ListedName block = in_list(canonical_name, kDoubleList); block.matches) {
    return join(kDoubleBlock, block.rest, block_prefix(kDoubleList, block.index),
                block_prefix("double_blocks", block.index));
  }
  if (const ListedName single = in_list(canonical_name, kSingleList); single.matches) {
    return join(kSingleBlock, single.rest, block_prefix(kSingleList, single.index),
                block_prefix("single_blocks", single.index));
  }
  return join(kOutside, canonical_name, "", "");
}

}  // namespace steadyflux::dialect
