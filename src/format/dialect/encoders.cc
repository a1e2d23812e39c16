#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "format/dialect/rules.h"

namespace steadyflux::dialect {

// transformers 5 leaves "text_model." out.
CanonicalNames clip_names(std::string_view name) {
  constexpr std::string_view kPrefix = "text_model.";
  // A buffer, the projection that FLUX does not use, and a number of the training.
  constexpr std::array<std::string_view, 4> kUnread = {"text_model.embeddings.position_ids", "embeddings.position_ids",
                                                       "text_projection.weight", "logit_scale"};
  if (std::find(kUnread.begin(), kUnread.end(), name) != kUnread.end()) return {};
  constexpr std::array<std::string_view, 3> kParts = {"embeddings.", "encoder.", "final_layer_norm."};
  const bool bare =
      std::any_of(kParts.begin(), kParts.end(), [&](std::string_view part) { return name.starts_with(part); });
  return {{(bare ? std::string(kPrefix) : std::string()) + std::string(name)}};
}

namespace {

using Pair = std::pair<std::string_view, std::string_view>;

// T5's modules in GGUF files, and in transformers'.
constexpr std::array<Pair, 2> kT5Outside = {
    {{"token_embd", "shared"}, {"enc.output_norm", "encoder.final_layer_norm"}}};
constexpr std::array<Pair, 10> kT5Layer = {{
    {"attn_q", "layer.0.SelfAttention.q"},
    {"attn_k", "layer.0.SelfAttention.k"},
    {"attn_v", "layer.0.SelfAttention.v"},
    {"attn_o", "layer.0.SelfAttention.o"},
    {"attn_rel_b", "layer.0.SelfAttention.relative_attention_bias"},
    {"attn_norm", "layer.0.layer_norm"},
    {"ffn_norm", "layer.1.layer_norm"},
    {"ffn_gate", "layer.1.DenseReluDense.wi_0"},
    {"ffn_up", "layer.1.DenseReluDense.wi_1"},
    {"ffn_down", "layer.1.DenseReluDense.wo"},
}};
constexpr std::string_view kGgufLayers = "enc.blk";
constexpr std::string_view kT5Layers = "encoder.block";

// Module `name` by the table, from its side `from` to its side `to`; empty when it is not there.
std::string translated(std::span<const Pair> table, std::string_view name, std::string_view Pair::*from,
                       std::string_view Pair::*to) {
  const SplitName split = split_leaf(name);
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const Pair& pair) { return pair.*from == split.module; });
  if (found == table.end()) return {};
  return std::string((*found).*to) + "." + std::string(split.leaf);
}

std::string translated_t5(std::string_view name, std::string_view list, std::string_view other_list,
                          std::string_view Pair::*from, std::string_view Pair::*to) {
  const ListedName layer = in_list(name, list);
  if (!layer.matches) return translated(kT5Outside, name, from, to);
  const std::string rest = translated(kT5Layer, layer.rest, from, to);
  if (rest.empty()) return {};
  return std::string(other_list) + "." + std::to_string(layer.index) + "." + rest;
}

}  // namespace

// The names that GGUF files have; all others are transformers'.
CanonicalNames t5_names(std::string_view name) {
  // The same numbers as shared.weight.
  if (name == "encoder.embed_tokens.weight") return {};
  const std::string canonical = translated_t5(name, kGgufLayers, kT5Layers, &Pair::first, &Pair::second);
  return {{canonical.empty() ? std::string(name) : canonical}};
}

JoinedWeights gguf_t5_name(std::string_view canonical_name) {
  std::string name = translated_t5(canonical_name, kT5Layers, kGgufLayers, &Pair::second, &Pair::first);
  if (name.empty()) name = canonical_name;
  return {std::move(name), {std::string(canonical_name)}};
}

}  // namespace steadyflux::dialect
