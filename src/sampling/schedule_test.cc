#include "sampling/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>

#include "base/error.h"
#include "sampling/golden_test_util.h"

namespace steadyflux::sampling {
namespace {

SchedulerConfig dev_config() {
  SchedulerConfig config;
  config.shift = 3.0;
  config.use_dynamic_shifting = true;
  return config;
}

// The configurations that the goldens name.
std::map<std::string, SchedulerConfig> named_configs() {
  std::map<std::string, SchedulerConfig> configs;
  configs["schnell"] = {};
  configs["static_3"].shift = 3.0;
  configs["static_1.15"].shift = 1.15;
  configs["static_3_terminal_0.02"].shift = 3.0;
  configs["static_3_terminal_0.02"].shift_terminal = 0.02;
  for (const char* name : {"dev", "linear", "terminal_0.1", "invert", "train_500"}) configs[name] = dev_config();
  configs["linear"].time_shift_type = TimeShift::kLinear;
  configs["terminal_0.1"].shift_terminal = 0.1;
  configs["invert"].invert_sigmas = true;
  configs["train_500"].num_train_timesteps = 500;
  SchedulerConfig& other_line = configs["other_line"];
  other_line.use_dynamic_shifting = true;
  other_line.base_shift = 0.3;
  other_line.max_shift = 0.97;
  other_line.base_image_seq_len = 100;
  other_line.max_image_seq_len = 1700;
  return configs;
}

std::uint32_t schedule_crc(const Schedule& schedule, std::uint32_t crc = 0) {
  return crc32(schedule.timesteps, crc32(schedule.sigmas, crc));
}

std::uint32_t sweep_crc(const SchedulerConfig& config, std::int64_t num_tokens) {
  std::uint32_t crc = 0;
  for (int num_steps = config.shift_terminal > 0 ? 2 : 1; num_steps <= 100; ++num_steps) {
    crc = schedule_crc(make_schedule(config, default_sigmas(num_steps), num_tokens), crc);
  }
  return crc;
}

TEST(Schedule, HasTheBitsOfDiffusers) {
  const auto configs = named_configs();
  int num_checked = 0;
  for (std::istringstream& line : golden_lines("schedule.txt")) {
    std::string kind;
    std::string name;
    std::int64_t num_tokens = 0;
    line >> kind;
    ++num_checked;
    if (kind == "sweep") {
      std::uint32_t crc = 0;
      line >> name >> num_tokens >> std::hex >> crc;
      EXPECT_EQ(sweep_crc(configs.at(name), num_tokens), crc) << name << " " << num_tokens;
    } else if (kind == "mu") {
      double mu = 0;
      line >> num_tokens >> mu;
      EXPECT_EQ(shift_mu({}, num_tokens), mu) << num_tokens;
    } else {
      std::uint32_t crc = 0;
      std::size_t count = 0;
      line >> name >> std::hex >> crc >> std::dec >> count;
      std::vector<double> sigmas(count);
      for (double& sigma : sigmas) line >> sigma;
      EXPECT_EQ(schedule_crc(make_schedule(configs.at(name), sigmas, 4096)), crc) << line.str();
    }
    EXPECT_FALSE(line.fail()) << line.str();
  }
  EXPECT_EQ(num_checked, 90 + 9 + 20);
}

TEST(Schedule, SchnellInFourStepsIsTheQuarters) {
  const Schedule schedule = make_schedule({}, default_sigmas(4), 4096);
  EXPECT_EQ(schedule.sigmas, (std::vector<float>{1.0f, 0.75f, 0.5f, 0.25f, 0.0f}));
  EXPECT_EQ(schedule.timesteps, (std::vector<float>{1000.0f, 750.0f, 500.0f, 250.0f}));
  EXPECT_EQ(schedule.mu, 0.0);
}

TEST(Schedule, DevShiftsByTheNumberOfImageTokens) {
  const Schedule schedule = make_schedule(dev_config(), default_sigmas(28), 4096);
  ASSERT_EQ(schedule.sigmas.size(), 29u);
  EXPECT_DOUBLE_EQ(schedule.mu, 1.15);
  EXPECT_EQ(schedule.sigmas[0], 1.0f);
  EXPECT_FLOAT_EQ(schedule.sigmas[1], 0.988408625f);
  EXPECT_FLOAT_EQ(schedule.sigmas[27], 0.104720898f);
  EXPECT_EQ(schedule.sigmas[28], 0.0f);
}

void expect_refused(const SchedulerConfig& config, std::vector<double> sigmas, ErrorCode code,
                    const std::string& word) {
  try {
    make_schedule(config, sigmas, 4096);
    FAIL() << "accepted, expected an error about " << word;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
  }
}

TEST(Schedule, NamesTheKeyItDoesNotSupport) {
  const std::map<std::string, bool SchedulerConfig::*> keys = {
      {"use_karras_sigmas", &SchedulerConfig::use_karras_sigmas},
      {"use_exponential_sigmas", &SchedulerConfig::use_exponential_sigmas},
      {"use_beta_sigmas", &SchedulerConfig::use_beta_sigmas},
      {"stochastic_sampling", &SchedulerConfig::stochastic_sampling},
  };
  for (const auto& [name, key] : keys) {
    SchedulerConfig config;
    config.*key = true;
    expect_refused(config, {1.0}, ErrorCode::kUnsupported, name);
  }
}

TEST(Schedule, RefusesValuesThatMakeNoSchedule) {
  constexpr auto kBad = ErrorCode::kInvalidArgument;
  expect_refused({}, {}, kBad, "sigmas");
  expect_refused({}, std::vector<double>(kMaxSteps + 1, 0.5), kBad, "sigmas");
  for (const double sigma : {0.0, -0.1, 1.0001, 1e-60, std::nan(""), HUGE_VAL}) {
    expect_refused({}, {1.0, sigma}, kBad, "(0, 1]");
  }
  SchedulerConfig config;
  config.shift = 0;
  expect_refused(config, {1.0}, kBad, "shift");
  config = {};
  config.num_train_timesteps = 0;
  expect_refused(config, {1.0}, kBad, "num_train_timesteps");
  config = {};
  config.shift_terminal = 1.0;
  expect_refused(config, {1.0, 0.5}, kBad, "shift_terminal");
  config.shift_terminal = 0.1;
  expect_refused(config, {1.0}, kBad, "at least 2 steps");
  config = dev_config();
  config.base_image_seq_len = config.max_image_seq_len;
  expect_refused(config, {1.0}, kBad, "base_image_seq_len");
  EXPECT_THROW(default_sigmas(0), Error);
  EXPECT_THROW(default_sigmas(-1), Error);
  EXPECT_THROW(default_sigmas(kMaxSteps + 1), Error);
}

}  // namespace
}  // namespace steadyflux::sampling
