// From prompts to pictures: the phases encode, modulate, denoise and decode, written once for measuring and running.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/executor.h"
#include "pipeline/job.h"
#include "pipeline/phase_runner.h"

namespace steadyflux {

// Token ids of one conditioning. CLIP's end at the pooled position.
struct PromptTokens {
  std::vector<std::int32_t> clip;
  std::vector<std::int32_t> t5;
};

// One conditioning as host memory: f32, whatever the model computes in.
struct PromptEmbeds {
  std::vector<float> prompt_embeds;  // [tokens, joint_attention_dim]
  std::vector<float> pooled;         // [pooled_projection_dim]
};

// What the phases start from. Unused while measuring.
struct RunInputs {
  std::vector<PromptTokens> tokens;  // a conditioning each, unless embeds are given
  std::vector<PromptEmbeds> embeds;  // a conditioning each, unless tokens are given
  std::vector<float> latents;        // [images, tokens, channels] packed; empty: noise from the seeds
};

// Told what comes out, between pieces of work.
class RunOutputs {
 public:
  virtual ~RunOutputs() = default;
  virtual void on_embeds(std::size_t /*conditioning*/, const PromptEmbeds&) {}
  virtual void on_step(std::int64_t /*step*/) {}
  virtual void on_image(std::size_t /*image*/, std::vector<std::uint8_t> /*rgb*/, std::vector<float> /*latents*/) {}
};

// Only the encode phase; on_embeds is called for every conditioning. False when cancelled.
bool run_encode(PhaseRunner& runner, const OpenModel& model, const Job& job, const RunInputs& inputs,
                RunOutputs& outputs);

// All phases; on_step after each step, on_image for each picture. False when cancelled.
bool run_text_to_image(PhaseRunner& runner, const OpenModel& model, const Job& job, const RunInputs& inputs,
                       RunOutputs& outputs);

}  // namespace steadyflux
