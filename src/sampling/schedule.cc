#include "sampling/schedule.h"

#include <cmath>
#include <cstddef>

#include "base/error.h"

namespace steadyflux::sampling {
namespace {

void refuse_unsupported(const SchedulerConfig& config) {
  const auto refuse = [](bool is_set, const char* key) {
    if (is_set)
      fail(ErrorCode::kUnsupported, "scheduler configuration: ", key, " = true is not supported; set it to false");
  };
  refuse(config.use_karras_sigmas, "use_karras_sigmas");
  refuse(config.use_exponential_sigmas, "use_exponential_sigmas");
  refuse(config.use_beta_sigmas, "use_beta_sigmas");
  refuse(config.stochastic_sampling, "stochastic_sampling");
}

void check_values(const SchedulerConfig& config) {
  const auto require = [](bool holds, const char* key, const char* range, double value) {
    if (!holds) {
      fail(ErrorCode::kInvalidArgument, "scheduler configuration: ", key, " must be ", range, ", got ", value);
    }
  };
  require(config.num_train_timesteps > 0, "num_train_timesteps", "positive", config.num_train_timesteps);
  require(std::isfinite(config.shift) && config.shift > 0, "shift", "positive", config.shift);
  require(config.shift_terminal >= 0 && config.shift_terminal < 1, "shift_terminal", "in [0, 1)",
          config.shift_terminal);
}

void check_sigmas(std::span<const double> sigmas) {
  if (sigmas.empty() || sigmas.size() > kMaxSteps) {
    fail(ErrorCode::kInvalidArgument, "a schedule needs 1 to ", kMaxSteps, " sigmas, got ", sigmas.size());
  }
  for (const double sigma : sigmas) {
    if (static_cast<float>(sigma) > 0.0f && sigma <= 1.0) continue;
    fail(ErrorCode::kInvalidArgument, "each sigma must be in (0, 1], got ", sigma, "; the final 0 is added by itself");
  }
}

float shift_dynamic(float sigma, float factor) { return factor / (factor + (1.0f / sigma - 1.0f)); }

float shift_static(float sigma, double shift) {
  return static_cast<float>(shift) * sigma / (1.0f + static_cast<float>(shift - 1.0) * sigma);
}

// Stretches 1 - sigma so that the last sigma becomes `terminal`.
void stretch_to_terminal(std::span<float> sigmas, double terminal) {
  const float scale = (1.0f - sigmas.back()) / static_cast<float>(1.0 - terminal);
  if (!(scale > 0.0f)) {
    fail(ErrorCode::kInvalidArgument, "shift_terminal = ", terminal,
         " cannot stretch a schedule whose last sigma is 1; use at least 2 steps");
  }
  for (float& sigma : sigmas) sigma = 1.0f - (1.0f - sigma) / scale;
}

}  // namespace

double shift_mu(const SchedulerConfig& config, std::int64_t num_image_tokens) {
  if (config.base_image_seq_len == config.max_image_seq_len) {
    fail(ErrorCode::kInvalidArgument, "scheduler configuration: base_image_seq_len and max_image_seq_len are both ",
         config.base_image_seq_len, "; they must differ");
  }
  const double slope = (config.max_shift - config.base_shift) / (config.max_image_seq_len - config.base_image_seq_len);
  const double offset = config.base_shift - slope * config.base_image_seq_len;
  return static_cast<double>(num_image_tokens) * slope + offset;
}

std::vector<double> default_sigmas(int num_steps) {
  if (num_steps < 1 || num_steps > kMaxSteps) {
    fail(ErrorCode::kInvalidArgument, "the number of steps must be 1 to ", kMaxSteps, ", got ", num_steps);
  }
  std::vector<double> sigmas(static_cast<std::size_t>(num_steps), 1.0);
  if (num_steps == 1) return sigmas;
  const double last = 1.0 / num_steps;
  const double spacing = (last - 1.0) / (num_steps - 1);
  for (std::size_t i = 0; i < sigmas.size(); ++i) sigmas[i] = static_cast<double>(i) * spacing + 1.0;
  sigmas.back() = last;
  return sigmas;
}

Schedule make_schedule(const SchedulerConfig& config, std::span<const double> sigmas, std::int64_t num_image_tokens) {
  refuse_unsupported(config);
  check_values(config);
  check_sigmas(sigmas);

  Schedule schedule;
  for (const double sigma : sigmas) schedule.sigmas.push_back(static_cast<float>(sigma));
  if (config.use_dynamic_shifting) {
    schedule.mu = shift_mu(config, num_image_tokens);
    const bool exponential = config.time_shift_type == TimeShift::kExponential;
    const auto factor = static_cast<float>(exponential ? std::exp(schedule.mu) : schedule.mu);
    for (float& sigma : schedule.sigmas) sigma = shift_dynamic(sigma, factor);
  } else {
    for (float& sigma : schedule.sigmas) sigma = shift_static(sigma, config.shift);
  }
  if (config.shift_terminal > 0) stretch_to_terminal(schedule.sigmas, config.shift_terminal);
  if (config.invert_sigmas) {
    for (float& sigma : schedule.sigmas) sigma = 1.0f - sigma;
  }
  for (const float sigma : schedule.sigmas) {
    schedule.timesteps.push_back(sigma * static_cast<float>(config.num_train_timesteps));
  }
  schedule.sigmas.push_back(config.invert_sigmas ? 1.0f : 0.0f);
  return schedule;
}

}  // namespace steadyflux::sampling
