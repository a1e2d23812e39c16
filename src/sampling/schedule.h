// The noise levels of a flow-matching run: what FluxPipeline and FlowMatchEulerDiscreteScheduler (diffusers 0.42)
// compute.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace steadyflux::sampling {

// How dynamic shifting uses mu: the factor in sigma' = factor / (factor + 1/sigma - 1) is e^mu or mu.
enum class TimeShift { kExponential, kLinear };

// The keys of scheduler_config.json with the reference class's defaults for absent ones.
struct SchedulerConfig {
  int num_train_timesteps = 1000;
  double shift = 1.0;                 // used when use_dynamic_shifting is false
  bool use_dynamic_shifting = false;  // shift by mu, which grows with the number of image tokens
  double base_shift = 0.5;            // mu at base_image_seq_len tokens
  double max_shift = 1.15;            // mu at max_image_seq_len tokens
  int base_image_seq_len = 256;
  int max_image_seq_len = 4096;
  TimeShift time_shift_type = TimeShift::kExponential;
  double shift_terminal = 0.0;          // in (0, 1): stretch so that the last sigma is this; 0 (or null): off
  bool invert_sigmas = false;           // run from 1 - sigma up to 1
  bool use_karras_sigmas = false;       // refused
  bool use_exponential_sigmas = false;  // refused
  bool use_beta_sigmas = false;         // refused
  bool stochastic_sampling = false;     // refused
};

// A run of timesteps.size() steps: step i goes from sigmas[i] to sigmas[i + 1].
struct Schedule {
  std::vector<float> sigmas;     // one more than steps; the last is 0 (1 when inverted)
  std::vector<float> timesteps;  // sigma × num_train_timesteps
  double mu = 0.0;               // 0 without dynamic shifting
};

// The most steps a schedule may have.
inline constexpr int kMaxSteps = 10000;

// mu of an image of `num_image_tokens`: the line through (base_image_seq_len, base_shift) and (max_image_seq_len,
// max_shift), not clamped. Throws Error(kInvalidArgument) when the two lengths are equal.
double shift_mu(const SchedulerConfig& config, std::int64_t num_image_tokens);

// `num_steps` sigmas from 1 down to 1 / num_steps, equally spaced, before any shifting.
// Throws Error(kInvalidArgument) unless 1 <= num_steps <= kMaxSteps.
std::vector<double> default_sigmas(int num_steps);

// Shifts `sigmas` (default_sigmas, or the user's: without the final 0, each in (0, 1]) as `config` says.
// Bit-exact: float operations in the reference's order.
// Throws Error(kUnsupported) naming a configuration key that is refused, Error(kInvalidArgument) for a bad sigma or
// configuration value.
Schedule make_schedule(const SchedulerConfig& config, std::span<const double> sigmas, std::int64_t num_image_tokens);

}  // namespace steadyflux::sampling
