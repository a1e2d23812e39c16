// Under which keys embeddings and modulation tables are kept: everything that can change a bit of them.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/dtype.h"
#include "io/digest.h"
#include "pipeline/job.h"

namespace steadyflux {

// Raised with every change to tokenizers, models or kernels that can change a bit of what encode or modulate gives.
inline constexpr std::uint64_t kNumericsVersion = 1;

// What computes: the same everywhere in one process.
struct Arithmetic {
  std::string device;  // Backend::arithmetic()
  DType activations = DType::kF32;
};

// Content of what a prompt's embedding is made with.
struct EncoderContent {
  Digest clip_tokenizer;  // files, and what model_index.json says of them
  Digest t5_tokenizer;
  Digest clip;  // configuration and weights
  Digest t5;
  Digest adapters;  // those on the encoders; as it is for none
};

Digest embeds_key(const Arithmetic& arithmetic, const EncoderContent& content, const PromptTexts& texts,
                  int max_sequence_length);

// For embeddings that came from a file.
Digest embeds_key(std::span<const std::byte> prompt_embeds, std::span<const std::byte> pooled);

struct ModulationContent {
  Digest embeds;    // their key
  Digest weights;   // the transformer's configuration and the weights of the phase modulate
  Digest adapters;  // those on the transformer; as it is for none
};

// The schedule as modulate sees it: timesteps and distilled guidance (0 for models without), in the model's dtype.
Digest modulation_key(const Arithmetic& arithmetic, const ModulationContent& content, const Job& job);

}  // namespace steadyflux
