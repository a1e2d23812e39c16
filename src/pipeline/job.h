// A request with every default filled in and every value checked: what the phases work from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "ops/ops.h"
#include "pipeline/open_model.h"
#include "sampling/schedule.h"
#include "sampling/size.h"
#include "steadyflux/steadyflux.h"

namespace steadyflux {

// What one conditioning is encoded from. The negative prompt, if any, is the last conditioning.
struct PromptTexts {
  std::string clip;
  std::string t5;
};

// One picture to make.
struct ImageJob {
  std::size_t conditioning = 0;  // of its prompt
  std::uint64_t seed = 0;
};

struct Job {
  std::vector<PromptTexts> conditionings;
  std::vector<std::size_t> to_encode;    // conditionings whose embeddings are not known yet
  std::vector<std::size_t> to_modulate;  // conditionings whose modulation is not known yet
  std::vector<ImageJob> images;
  bool has_negative = false;
  bool from_embeds = false;    // conditionings come from a file; no encoder runs
  bool latents_given = false;  // images start from a file's latents, not from noise
  bool spilled = false;        // what passes between phases is in files: a long batch within a budget
  bool keep_latents = false;   // results hold the final latents
  bool keep_images = true;     // results hold every picture until the end
  DecodeChoice decode = DecodeChoice::kAuto;
  int tile_size = 0;  // pixels; only of tiles
  double true_cfg = 1;
  int width = 0;   // pixels
  int height = 0;  // pixels
  sampling::LatentSize latent;
  sampling::Schedule schedule;
  double guidance = 0;
  int max_sequence_length = 0;
  DType model_dtype = DType::kF32;  // of the timestep chain
  DType activations = DType::kF32;
  ops::Compute compute = ops::Compute::kFloat;  // of the transformer's blocks
  DType noise = DType::kF32;

  std::int64_t num_steps() const { return static_cast<std::int64_t>(schedule.timesteps.size()); }
  std::int64_t num_conditionings() const { return static_cast<std::int64_t>(conditionings.size()); }
  std::int64_t num_images() const { return static_cast<std::int64_t>(images.size()); }
  std::size_t negative() const { return conditionings.size() - 1; }
};

// Fills in the model's defaults; draws a seed where none is given. Throws Error(kInvalidArgument) naming the value and
// what would do. Options that would silently have no effect are errors too.
Job make_job(const OpenModel& model, const EngineOptions& options, const Request& request);

}  // namespace steadyflux
