#include "model/autoencoder/decode_schedule.h"

#include <algorithm>
#include <limits>

namespace steadyflux {

namespace {

// Pixels of a band: enough to share among many threads, little beside a picture of the usual sizes.
constexpr std::int64_t kBandPixels = 16384;
constexpr std::int64_t kLeastBandRows = 4;

// What a schedule takes: layers held at once, and multiply-adds beyond those of computing everything once.
struct StageCost {
  std::size_t layers_bytes = 0;
  double repeated = 0;
};

struct Option {
  StageSchedule schedule;
  StageCost cost;
};

double product(std::initializer_list<std::int64_t> factors) {
  double result = 1;
  for (const std::int64_t factor : factors) result *= static_cast<double>(factor);
  return result;
}

StageCost cost_of(const UpStageSizes& stage, const StageSchedule& schedule, std::int64_t pixels,
                  std::size_t pixel_bytes) {
  constexpr std::int64_t kTaps = 9;
  const std::int64_t in = stage.in_channels;
  const std::int64_t out = stage.out_channels;
  const std::int64_t before = stage.upsamples ? (in + 3) / 4 : in;
  std::int64_t channels = schedule.holds_input ? std::max(in, out) : std::max(before, out);
  if (schedule.holds_first_hidden) channels += out;
  double repeated = 0;
  if (!schedule.holds_input) repeated += 2 * product({kTaps, in, in, pixels});
  if (!schedule.holds_first_hidden) repeated += product({kTaps, in, out, pixels});
  if (stage.num_resnets > 1) {
    channels = std::max(channels, schedule.holds_hidden ? 2 * out : out);
    if (!schedule.holds_hidden) repeated += product({stage.num_resnets - 1, kTaps, out, out, pixels});
  }
  return {static_cast<std::size_t>(channels * pixels) * pixel_bytes, repeated};
}

// All schedules of stage `index`, for a picture of height x width pixels.
std::vector<Option> options_of(const std::vector<UpStageSizes>& stages, std::size_t index, DType activations,
                               std::int64_t height, std::int64_t width) {
  const UpStageSizes& stage = stages[index];
  const std::int64_t scale = std::int64_t{1} << (stages.size() - 1 - index);
  const std::int64_t pixels = (height / scale) * (width / scale);
  std::vector<Option> options;
  for (const bool holds_input : {true, false}) {
    for (const bool holds_first_hidden : {true, false}) {
      for (const bool holds_hidden : {true, false}) {
        if (!holds_input && (!stage.upsamples || holds_first_hidden)) continue;
        const StageSchedule schedule = {holds_input, holds_first_hidden, holds_hidden, 0};
        options.push_back({schedule, cost_of(stage, schedule, pixels, dtype_bytes(activations))});
      }
    }
  }
  return options;
}

Option choose(const std::vector<Option>& options, std::size_t layers_bytes) {
  // What does not fit counts by its bytes alone.
  const auto worse = [layers_bytes](const Option& a, const Option& b) {
    const std::size_t excess_a = a.cost.layers_bytes > layers_bytes ? a.cost.layers_bytes : 0;
    const std::size_t excess_b = b.cost.layers_bytes > layers_bytes ? b.cost.layers_bytes : 0;
    return excess_a != excess_b ? excess_a < excess_b : a.cost.repeated < b.cost.repeated;
  };
  return *std::min_element(options.begin(), options.end(), worse);
}

// The most that any stage holds when each may hold `layers_bytes`.
std::size_t held_bytes(const std::vector<std::vector<Option>>& stages, std::size_t layers_bytes) {
  std::size_t most = 0;
  for (const auto& options : stages) most = std::max(most, choose(options, layers_bytes).cost.layers_bytes);
  return most;
}

}  // namespace

std::vector<UpStageSizes> up_stages(const AutoencoderConfig& config) {
  const std::size_t last = config.block_channels.size() - 1;
  std::vector<UpStageSizes> stages;
  for (std::size_t block = 0; block <= last; ++block) {
    const std::size_t level = last - block;
    stages.push_back({.block = block,
                      .in_channels = config.block_channels[block == 0 ? last : level + 1],
                      .out_channels = config.block_channels[level],
                      .num_resnets = config.layers_per_block + 1,
                      .upsamples = block > 0});
  }
  return stages;
}

std::vector<StageSchedule> schedule_stages(const AutoencoderConfig& config, DType activations, const DecodeMode& mode,
                                           std::int64_t height, std::int64_t width) {
  const std::vector<UpStageSizes> stages = up_stages(config);
  const bool whole = mode.kind == DecodeMode::Kind::kWhole;
  const std::size_t layers_bytes = whole ? std::numeric_limits<std::size_t>::max() : mode.layers_bytes;
  const std::int64_t picture_rows = mode.band_rows > 0 ? mode.band_rows : default_band_rows(width);
  std::vector<StageSchedule> schedules;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    schedules.push_back(choose(options_of(stages, i, activations, height, width), layers_bytes).schedule);
    // As many pixels a band at every resolution.
    schedules.back().band_rows = picture_rows << (stages.size() - 1 - i);
  }
  return schedules;
}

std::int64_t default_band_rows(std::int64_t width) { return std::max(kLeastBandRows, kBandPixels / width); }

std::vector<DecodeMode> decode_modes(const AutoencoderConfig& config, DType activations, std::int64_t height,
                                     std::int64_t width) {
  const std::vector<UpStageSizes> stages = up_stages(config);
  std::vector<std::vector<Option>> options;
  std::vector<std::size_t> limits;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    options.push_back(options_of(stages, i, activations, height, width));
    for (const Option& option : options.back()) limits.push_back(option.cost.layers_bytes);
  }
  std::sort(limits.begin(), limits.end(), std::greater<>());

  std::vector<DecodeMode> modes = {{}};
  const std::int64_t band_rows = default_band_rows(width);
  std::size_t least = held_bytes(options, std::numeric_limits<std::size_t>::max());
  for (const std::size_t limit : limits) {
    const std::size_t held = held_bytes(options, limit);
    if (held >= least) continue;
    least = held;
    modes.push_back({.kind = DecodeMode::Kind::kBanded, .layers_bytes = held, .band_rows = band_rows});
  }
  if (band_rows > kLeastBandRows) {
    modes.push_back({.kind = DecodeMode::Kind::kBanded, .layers_bytes = least, .band_rows = kLeastBandRows});
  }
  return modes;
}

}  // namespace steadyflux
