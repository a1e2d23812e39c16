// Prompt embeddings as files.
#pragma once

#include <filesystem>
#include <vector>

#include "pipeline/open_model.h"
#include "pipeline/phases.h"

namespace steadyflux {

// What an embeddings file holds.
struct StoredEmbeds {
  std::vector<PromptEmbeds> conditionings;  // the prompt, then the negative prompt if there is one
  int tokens = 0;                           // of each
};

// Reads prompt_embeds [1, tokens, width] and pooled_prompt_embeds [1, width] (and negative_…), of any floating dtype.
// Throws Error naming file and tensor when one is missing or its width is not what `model` takes.
StoredEmbeds read_embeddings(const std::filesystem::path& path, const OpenModel& model);

// Reads "latents" [images, tokens, channels] f32 of exactly this shape. Throws Error naming what is expected and found.
std::vector<float> read_latents(const std::filesystem::path& path, std::int64_t images, std::int64_t tokens,
                                std::int64_t channels);

}  // namespace steadyflux
