// The FLUX.1 transformer: its configuration, its weight groups and its two phases, modulate and denoise.
//
// The vectors that modulate every block depend on timestep, guidance and prompt, never on the latents. modulate()
// computes all of them once, before the first step, from a quarter of the model's weights; predict_velocity() is one
// step with the weights that are left. Both take their groups in order, each group once a call.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "backend/executor.h"
#include "memory/lease.h"

namespace steadyflux {

// Defaults are those of FLUX.1 dev.
struct FluxConfig {
  std::int64_t in_channels = 64;  // of a packed latent
  std::int64_t out_channels = 64;
  std::int64_t num_double_blocks = 19;
  std::int64_t num_single_blocks = 38;
  std::int64_t num_heads = 24;
  std::int64_t head_dim = 128;
  std::int64_t joint_attention_dim = 4096;   // width of the T5 embeddings
  std::int64_t pooled_projection_dim = 768;  // width of the pooled CLIP embedding
  bool guidance_embeds = true;               // distilled guidance is an input
  std::array<std::int64_t, 3> axes_dims_rope = {16, 56, 56};

  std::int64_t width() const { return num_heads * head_dim; }
  std::int64_t mlp_width() const { return 4 * width(); }
};

// Throws Error(kInvalidFile) naming what does not fit together, e.g. rope axes that do not sum to head_dim.
void check(const FluxConfig& config);

// Width of the sinusoids that timestep and guidance enter as.
inline constexpr std::int64_t kSinusoidWidth = 256;

// ---- modulate ------------------------------------------------------------------------------------------------------

// Groups of modulate(): embedders of time, guidance and pooled prompt; context embedder; then each modulation layer.
// Names are the canonical ones (format/dialect/dialect.h).
std::vector<GroupSpec> flux_modulate_groups(const FluxConfig& config);

// Elements of one row of the modulation table: every modulation vector of one forward pass.
std::int64_t modulation_width(const FluxConfig& config);

// What the images of one prompt are conditioned on. A negative prompt is a conditioning of its own.
struct FluxConditioning {
  Tensor prompt_embeds;  // [txt_tokens, joint_attention_dim], from T5
  Tensor pooled;         // [1, pooled_projection_dim], from CLIP
  Tensor guidance;       // [1, kSinusoidWidth] f32 sinusoids of 1000 guidance; empty unless guidance_embeds
  Tensor txt;            // out: [txt_tokens, width], prompt_embeds as the blocks take them
};

// Fills every conditioning's txt and the table of modulations, whose row `modulation_row(c, s, steps)` serves step s of
// conditioning c. `activations` (f32 or bf16) is the dtype between operations.
void modulate(const Executor& executor, WeightSource& weights, const FluxConfig& config, DType activations,
              const Tensor& timesteps,  // [steps, kSinusoidWidth] f32 sinusoids of 1000 sigma
              std::span<const FluxConditioning> conditionings,
              const Tensor& modulations);  // out: [conditionings * steps, modulation_width]

inline std::int64_t modulation_row(std::int64_t conditioning, std::int64_t step, std::int64_t num_steps) {
  return conditioning * num_steps + step;
}

// ---- denoise -------------------------------------------------------------------------------------------------------

// Groups of predict_velocity(): x_embedder, each double block, each single block, proj_out; no modulation layers.
std::vector<GroupSpec> flux_denoise_groups(const FluxConfig& config);

// Position table of txt_tokens prompt tokens followed by an image of packed height x width tokens: cosine and sine
// interleaved, [txt_tokens + height * width, head_dim] f32 row-major. Prompt tokens stand at the origin.
std::vector<float> rope_table(const FluxConfig& config, std::int64_t txt_tokens, std::int64_t height,
                              std::int64_t width);

// One forward pass of one image (true CFG makes two passes of an image).
struct FluxPass {
  Tensor latents;      // [img_tokens, in_channels] f32, packed
  Tensor txt;          // [txt_tokens, width] of the pass's conditioning
  Tensor pe;           // [txt_tokens + img_tokens, head_dim] f32, the uploaded rope_table()
  Tensor modulations;  // [1, modulation_width], the row of its conditioning and step
  Tensor velocity;     // out: [img_tokens, out_channels]
  Tensor stream;       // working state of predict_velocity, which sets it; meaningless to a caller
};

// Every pass's velocity. All passes are served under one lease of each group, and each is computed by itself: its bits
// do not depend on the other passes. Allocates from the arena only. The blocks multiply as the executor's compute()
// says, the layers before and after them in floats.
void predict_velocity(const Executor& executor, WeightSource& weights, const FluxConfig& config, DType activations,
                      std::span<FluxPass> passes);

}  // namespace steadyflux
