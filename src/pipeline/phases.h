// The phases of a request: encode, modulate, denoise and decode, written once for measuring and running.
//
// Each takes from and gives to Carried what passes between them, so that each can be measured, planned and run by
// itself. Conditionings and images that share a pass over the weights form a window; within it each is computed by
// itself, so its bits do not depend on the window.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "pipeline/carried.h"
#include "pipeline/job.h"
#include "pipeline/phase_runner.h"

namespace steadyflux {

enum class Phase : std::uint8_t { kEncode, kModulate, kDenoise, kDecode };

std::string_view phase_name(Phase phase);

// The phases of a job that have something to do, in order.
std::vector<Phase> list_phases(const Job& job);

// What is decided about a phase besides where its weights live.
struct PhaseChoice {
  std::int64_t window = 1;  // conditionings (encode, modulate) or images (denoise) that share a pass
  DecodeMode decode = {};   // of the phase decode
};

// How many of them a phase works on: the widest window there is.
std::int64_t num_items(Phase phase, const Job& job);

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

// Told what comes out, between pieces of work.
class RunOutputs {
 public:
  virtual ~RunOutputs() = default;
  // Step `pass` of all passes over the transformer: windows one after another, each with every step.
  virtual void on_step(std::int64_t /*pass*/, std::int64_t /*passes*/) {}
  virtual void on_image(std::size_t /*image*/, std::vector<std::uint8_t> /*rgb*/, std::vector<float> /*latents*/) {}
};

// Borrows everything for the length of a phase.
struct PhaseContext {
  PhaseRunner& runner;
  const OpenModel& model;
  const Job& job;
  PhaseChoice choice;
  Carried& carried;                      // untouched while measuring
  std::span<const PromptTokens> tokens;  // of each of Job::to_encode; empty while measuring
  RunOutputs& outputs;
};

// Runs `phase` and lets go what no later phase reads. False when the run was cancelled.
bool run_phase(Phase phase, const PhaseContext& context);

bool run_encode(const PhaseContext& context);
bool run_modulate(const PhaseContext& context);
bool run_denoise(const PhaseContext& context);
bool run_decode(const PhaseContext& context);

// Rows for all conditionings, unless there are some already.
void allocate_embeds(const OpenModel& model, const Job& job, Carried& carried);
void allocate_modulated(const OpenModel& model, const Job& job, Carried& carried);

// Embeddings given by the caller, as encode would have left them.
void carry_embeds(const Job& job, std::span<const PromptEmbeds> embeds, Carried& carried);

// Latents to start from, [images, tokens, channels] packed.
void carry_latents(const Job& job, std::span<const float> latents, Carried& carried);

// One conditioning as encode left it.
PromptEmbeds carried_embeds(const Job& job, Carried& carried, std::size_t conditioning);

// What would be carried at most if nothing were in files.
std::size_t carried_bytes_in_memory(const OpenModel& model, const Job& job);

// Host memory of what is carried while the phase runs.
std::size_t carried_bytes(Phase phase, const OpenModel& model, const Job& job);

}  // namespace steadyflux
