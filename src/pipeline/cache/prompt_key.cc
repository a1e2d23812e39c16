#include "pipeline/cache/prompt_key.h"

#include <bit>

#include "steadyflux/steadyflux.h"

namespace steadyflux {
namespace {

void add_common(Hasher& hasher, std::string_view purpose, const Arithmetic& arithmetic) {
  hasher.add(purpose);
  hasher.add(kNumericsVersion);
  hasher.add(version());
  hasher.add(arithmetic.device);
  hasher.add(dtype_name(arithmetic.activations));
}

}  // namespace

Digest embeds_key(const Arithmetic& arithmetic, const EncoderContent& content, const PromptTexts& texts,
                  int max_sequence_length) {
  Hasher hasher;
  add_common(hasher, "embeddings", arithmetic);
  for (const Digest& part :
       {content.clip_tokenizer, content.t5_tokenizer, content.clip, content.t5, content.adapters}) {
    hasher.add(part);
  }
  hasher.add(texts.clip);
  hasher.add(texts.t5);
  hasher.add(static_cast<std::uint64_t>(max_sequence_length));
  return hasher.digest();
}

Digest embeds_key(std::span<const std::byte> prompt_embeds, std::span<const std::byte> pooled) {
  Hasher hasher;
  hasher.add("embeddings of a file");
  hasher.add(std::uint64_t{prompt_embeds.size()});
  hasher.add_bytes(prompt_embeds);
  hasher.add_bytes(pooled);
  return hasher.digest();
}

Digest modulation_key(const Arithmetic& arithmetic, const ModulationContent& content, const Job& job) {
  Hasher hasher;
  add_common(hasher, "modulation", arithmetic);
  for (const Digest& part : {content.embeds, content.weights, content.adapters}) hasher.add(part);
  hasher.add(dtype_name(job.model_dtype));
  hasher.add(std::bit_cast<std::uint64_t>(job.guidance));
  hasher.add(std::uint64_t{job.schedule.timesteps.size()});
  for (const float timestep : job.schedule.timesteps) hasher.add(std::uint64_t{std::bit_cast<std::uint32_t>(timestep)});
  return hasher.digest();
}

}  // namespace steadyflux
