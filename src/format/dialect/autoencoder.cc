#include <array>
#include <utility>

#include "format/dialect/rules.h"

namespace steadyflux::dialect {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

std::string with_list(std::string_view list, std::int64_t index, std::string_view rest) {
  return std::string(list) + "." + std::to_string(index) + "." + std::string(rest);
}

// Of one resolution of encoder or decoder: LDM's "block.1.norm1.weight" → "resnets.1.norm1.weight".
std::string level_name(std::string_view rest) {
  if (const ListedName block = in_list(rest, "block"); block.matches) {
    constexpr std::string_view kShortcut = "nin_shortcut.";
    if (!block.rest.starts_with(kShortcut)) return with_list("resnets", block.index, block.rest);
    return with_list("resnets", block.index, "conv_shortcut." + std::string(block.rest.substr(kShortcut.size())));
  }
  constexpr std::array<Pair, 2> kSamplers = {
      {{"downsample.conv.", "downsamplers.0.conv."}, {"upsample.conv.", "upsamplers.0.conv."}}};
  for (const auto& [from, to] : kSamplers) {
    if (rest.starts_with(from)) return std::string(to) + std::string(rest.substr(from.size()));
  }
  return {};
}

// What stands after "encoder." or "decoder.", outside the resolutions.
std::string outside_name(std::string_view rest) {
  constexpr std::array<Pair, 8> kModules = {{
      {"mid.block_1.", "mid_block.resnets.0."},
      {"mid.block_2.", "mid_block.resnets.1."},
      {"mid.attn_1.norm.", "mid_block.attentions.0.group_norm."},
      {"mid.attn_1.q.", "mid_block.attentions.0.to_q."},
      {"mid.attn_1.k.", "mid_block.attentions.0.to_k."},
      {"mid.attn_1.v.", "mid_block.attentions.0.to_v."},
      {"mid.attn_1.proj_out.", "mid_block.attentions.0.to_out.0."},
      {"norm_out.", "conv_norm_out."},
  }};
  for (const auto& [from, to] : kModules) {
    if (rest.starts_with(from)) return std::string(to) + std::string(rest.substr(from.size()));
  }
  return {};
}

std::string renamed(std::string_view half, std::string_view rest, std::int64_t num_levels) {
  const ListedName level = in_list(rest, half == "encoder." ? "down" : "up");
  if (!level.matches) return outside_name(rest);
  const std::string name = level_name(level.rest);
  if (name.empty()) return {};
  if (half == "encoder.") return with_list("down_blocks", level.index, name);
  return with_list("up_blocks", num_levels - 1 - level.index, name);
}

}  // namespace

CanonicalNames autoencoder_names(std::string_view name, std::int64_t num_levels) {
  for (const std::string_view half : {"encoder.", "decoder."}) {
    if (!name.starts_with(half)) continue;
    const std::string canonical = renamed(half, name.substr(half.size()), num_levels);
    if (!canonical.empty()) return {{std::string(half) + canonical}};
  }
  return {{std::string(name)}};
}

}  // namespace steadyflux::dialect
