#include "format/dialect/dialect.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "format/dialect/rules.h"
#include "format/printable.h"

namespace steadyflux {
namespace {

using dialect::CanonicalNames;

// What files of several components put before the names of each.
struct Prefix {
  Component component;
  std::string_view text;
};
constexpr std::array<Prefix, 5> kPrefixes = {{{Component::kTransformer, "model.diffusion_model."},
                                              {Component::kAutoencoder, "vae."},
                                              {Component::kAutoencoder, "first_stage_model."},
                                              {Component::kClip, "text_encoders.clip_l.transformer."},
                                              {Component::kT5, "text_encoders.t5xxl.transformer."}}};

// What belongs to another component, once a file is known to hold several.
bool is_of_several(std::string_view name) {
  constexpr std::array<std::string_view, 4> kOthers = {"model.diffusion_model.", "vae.", "first_stage_model.",
                                                       "text_encoders."};
  return std::any_of(kOthers.begin(), kOthers.end(), [&](std::string_view other) { return name.starts_with(other); });
}

std::string_view prefix_of(const WeightEntries& entries, Component component) {
  for (const Prefix& prefix : kPrefixes) {
    if (prefix.component != component) continue;
    const auto first = entries.lower_bound(prefix.text);
    if (first != entries.end() && first->first.starts_with(prefix.text)) return prefix.text;
  }
  return {};
}

std::int64_t count_levels(const WeightEntries& entries, std::string_view prefix) {
  std::int64_t count = 0;
  const std::string list = std::string(prefix) + "decoder.up";
  for (const auto& [name, entry] : entries) {
    const dialect::ListedName listed = dialect::in_list(name, list);
    if (listed.matches) count = std::max(count, listed.index + 1);
  }
  return count;
}

class Renamer {
 public:
  Renamer(const WeightIndex& index, Component component)
      : index_(index),
        component_(component),
        prefix_(prefix_of(index.entries(), component)),
        num_levels_(component == Component::kAutoencoder ? count_levels(index.entries(), prefix_) : 0) {}

  WeightEntries run() {
    for (const auto& [name, entry] : index_.entries()) {
      std::string_view rest = name;
      if (!prefix_.empty()) {
        if (rest.starts_with(prefix_)) {
          rest.remove_prefix(prefix_.size());
        } else if (is_of_several(name)) {
          continue;
        }
      }
      add(name, entry, names_of(rest));
    }
    return std::move(result_);
  }

 private:
  CanonicalNames names_of(std::string_view name) const {
    switch (component_) {
      case Component::kTransformer:
        return dialect::transformer_names(name);
      case Component::kAutoencoder:
        return dialect::autoencoder_names(name, num_levels_);
      case Component::kClip:
        return dialect::clip_names(name);
      case Component::kT5:
        return dialect::t5_names(name);
    }
    return {};
  }

  void add(const std::string& name, const WeightEntry& entry, CanonicalNames names) {
    if (names.size() == 1) {
      put(name, std::move(names[0].name), entry);
      return;
    }
    const std::int64_t shares = std::accumulate(names.begin(), names.end(), std::int64_t{0},
                                                [](std::int64_t sum, const auto& part) { return sum + part.share; });
    const std::int64_t rows = entry.shape.empty() ? 0 : entry.shape[0];
    if (!names.empty() && rows % shares != 0) {
      fail(ErrorCode::kInvalidFile, index_.file(entry).name(), ": \"", printable(name), "\" has ", rows,
           " rows, which are not ", shares, " equal parts");
    }
    std::int64_t begin = 0;
    for (auto& part : names) {
      const std::int64_t count = part.share * (rows / shares);
      put(name, std::move(part.name), rows_of(entry, begin, count, name));
      begin += count;
    }
  }

  void put(const std::string& name, std::string canonical_name, const WeightEntry& entry) {
    const auto [it, added] = result_.try_emplace(std::move(canonical_name), entry);
    if (added) return;
    fail(ErrorCode::kInvalidFile, index_.file(entry).name(), ": \"", printable(name), "\" is the weight ",
         printable(it->first), ", which another tensor is too");
  }

  const WeightIndex& index_;
  Component component_;
  std::string_view prefix_;
  std::int64_t num_levels_;
  WeightEntries result_;
};

}  // namespace

namespace dialect {

ListedName in_list(std::string_view name, std::string_view list) {
  if (name.size() <= list.size() || !name.starts_with(list) || name[list.size()] != '.') return {};
  const char* const begin = name.data() + list.size() + 1;
  const char* const end = name.data() + name.size();
  ListedName listed;
  const auto [rest, error] = std::from_chars(begin, end, listed.index);
  // Beyond it no model has layers, and sums stay far from overflow.
  constexpr std::int64_t kMaxIndex = 1 << 20;
  if (error != std::errc{} || rest == end || *rest != '.' || listed.index < 0 || listed.index > kMaxIndex) return {};
  listed.rest = name.substr(static_cast<std::size_t>(rest - name.data()) + 1);
  listed.matches = true;
  return listed;
}

SplitName split_leaf(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return {{}, name};
  return {name.substr(0, dot), name.substr(dot + 1)};
}

}  // namespace dialect

std::string_view component_name(Component component) {
  switch (component) {
    case Component::kTransformer:
      return "transformer";
    case Component::kAutoencoder:
      return "vae";
    case Component::kClip:
      return "text_encoder";
    case Component::kT5:
      return "text_encoder_2";
  }
  return {};
}

std::vector<JoinedWeights> joined(std::span<const std::string> names, Component component, Dialect dialect) {
  const auto written = [&](const std::string& name) -> JoinedWeights {
    if (component == Component::kTransformer) {
      return dialect == Dialect::kGguf ? dialect::bfl_transformer_name(name)
                                       : dialect::diffusers_transformer_name(name);
    }
    if (component == Component::kT5 && dialect == Dialect::kGguf) return dialect::gguf_t5_name(name);
    return {name, {name}};
  };
  const std::set<std::string_view> given(names.begin(), names.end());
  std::set<std::string> done;
  std::vector<JoinedWeights> tensors;
  for (const std::string& name : names) {
    JoinedWeights tensor = written(name);
    if (!done.insert(tensor.name).second) continue;
    for (const std::string& part : tensor.parts) {
      if (!given.contains(part)) {
        fail(ErrorCode::kInvalidArgument, tensor.name, " cannot be written without ", printable(part));
      }
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

WeightIndex canonical(WeightIndex index, Component component) {
  WeightEntries entries = Renamer(index, component).run();
  return std::move(index).with_entries(std::move(entries));
}

}  // namespace steadyflux
