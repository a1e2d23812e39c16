// Names and layouts that checkpoints give to the same weights, and the one form that everything else knows.
//
// Known are: diffusers and transformers; BFL's single files; the names of ComfyUI's files, which hold several
// components under prefixes; the names that GGUF files give to T5; the autoencoder's names of latent diffusion (LDM).
//
// The canonical form has diffusers' names, with one exception: the modulation of the final layer is two linear layers,
// norm_out.scale.linear and norm_out.shift.linear. Files hold them as one, but BFL's in the other order.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "format/weight_index.h"

namespace steadyflux {

enum class Component { kTransformer, kAutoencoder, kClip, kT5 };

// "transformer", "vae", "text_encoder", "text_encoder_2": the directories of the diffusers layout.
std::string_view component_name(Component component);

// The component's weights under canonical names: fused layers are cut into rows of the same files; of a file that holds
// several components, this one's; without copies and buffers that no forward pass reads. Names that no dialect knows
// stay as they are. Throws Error(kInvalidFile) when two tensors are the same weight, or a fused layer cannot be cut.
WeightIndex canonical(WeightIndex index, Component component);

// What files are written in: diffusers and transformers; or what GGUF files have, BFL's names for the transformer and
// llama.cpp's for T5.
enum class Dialect { kDiffusers, kGguf };

// A tensor of a file: the canonical weights that its rows are, one after another.
struct JoinedWeights {
  std::string name;
  std::vector<std::string> parts;
};

// The tensors in which `dialect` has these weights, in the order in which their first parts are given. Throws
// Error(kInvalidArgument) when a part of a fused layer is missing.
std::vector<JoinedWeights> joined(std::span<const std::string> names, Component component, Dialect dialect);

}  // namespace steadyflux
