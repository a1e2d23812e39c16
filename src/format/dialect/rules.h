// What single tensors are called canonically.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "format/dialect/dialect.h"

namespace steadyflux::dialect {

// A canonical weight, and in what proportion it shares the rows of the tensor with the weights after it.
struct NamedRows {
  std::string name;
  std::int64_t share = 1;
};

// In the order of the tensor's rows; empty for a tensor that no forward pass reads.
using CanonicalNames = std::vector<NamedRows>;

CanonicalNames transformer_names(std::string_view name);
CanonicalNames clip_names(std::string_view name);
CanonicalNames t5_names(std::string_view name);
// `num_levels` resolutions: LDM counts those of the decoder from the pixels on, diffusers from the latents.
CanonicalNames autoencoder_names(std::string_view name, std::int64_t num_levels);

// The tensor of a dialect that a canonical weight is or is part of.
JoinedWeights diffusers_transformer_name(std::string_view canonical_name);
JoinedWeights bfl_transformer_name(std::string_view canonical_name);
JoinedWeights gguf_t5_name(std::string_view canonical_name);

// A name of the form "<list>.<index>.<rest>".
struct ListedName {
  std::int64_t index = 0;
  std::string_view rest;
  bool matches = false;
};
ListedName in_list(std::string_view name, std::string_view list);

// "a.b.weight" → "a.b" and "weight".
struct SplitName {
  std::string_view module;
  std::string_view leaf;
};
SplitName split_leaf(std::string_view name);

}  // namespace steadyflux::dialect
