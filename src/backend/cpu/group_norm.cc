#include <cmath>

#include "backend/cpu/pixel_ops.h"
#include "backend/cpu/row_kernels.h"
#include "backend/cpu/rows.h"

namespace steadyflux::cpu {
namespace {

// Pixels widened at a time: about as many elements as the innermost cache holds of input and output.
std::int64_t pixels_per_run(std::int64_t channels) { return std::max<std::int64_t>(1, 2048 / channels); }

struct RowsScratch {
  PerWorker<double> channel_sums;
  PerWorker<float> run;
};

RowsScratch lay_out(const Context& context, const ops::GroupNormRows& op, Arena& arena) {
  const std::int64_t channels = op.x.dim(2);
  return {{context, arena, 2 * channels}, {context, arena, pixels_per_run(channels) * channels}};
}

// Moments of one image row, by group. Sums are double: squares may be taken as they are.
void measure_row(const ops::GroupNormRows& op, std::int64_t row, double* channel_sums, float* buffer) {
  const std::int64_t width = op.x.dim(1);
  const std::int64_t channels = op.x.dim(2);
  const std::int64_t run = pixels_per_run(channels);
  std::fill_n(channel_sums, 2 * channels, 0.0);
  for (std::int64_t i = 0; i * run < width; ++i) {
    const Block pixels = block_at(i, run, width);
    const std::byte* from =
        row_address(op.x, row) + static_cast<std::size_t>(pixels.begin * channels) * dtype_bytes(op.x.dtype);
    const float* x = widen(from, op.x.dtype, buffer, static_cast<std::size_t>(pixels.count * channels));
    add_moments(x, static_cast<std::size_t>(pixels.count), static_cast<std::size_t>(channels), channel_sums);
  }
  const std::int64_t group_channels = channels / op.groups;
  const auto size = static_cast<double>(width * group_channels);
  auto* moments = reinterpret_cast<float*>(row_address(op.moments, row));
  for (std::int64_t group = 0; group < op.groups; ++group) {
    double sum = 0;
    double squares = 0;
    for (std::int64_t c = group * group_channels; c < (group + 1) * group_channels; ++c) {
      sum += channel_sums[c];
      squares += channel_sums[channels + c];
    }
    const double mean = sum / size;
    moments[2 * group] = static_cast<float>(mean);
    moments[2 * group + 1] = static_cast<float>(std::max(0.0, squares / size - mean * mean));
  }
}

struct ApplyScratch {
  float* mean;
  float* scale;
  float* shift;
  PerWorker<float> x;
  PerWorker<float> out;
};

ApplyScratch lay_out(const Context& context, const ops::GroupNormApply& op, Arena& arena) {
  const std::int64_t channels = op.x.dim(2);
  const std::int64_t run = pixels_per_run(channels) * channels;
  return {allocate_shared<float>(arena, channels),
          allocate_shared<float>(arena, channels),
          allocate_shared<float>(arena, channels),
          {context, arena, run},
          {context, arena, run}};
}

}  // namespace

std::size_t scratch_bytes(const Context& context, const ops::GroupNormRows& op) {
  Arena arena = Arena::measuring();
  lay_out(context, op, arena);
  return arena.peak_bytes();
}

void run(Context& context, const ops::GroupNormRows& op, Arena& arena) {
  const RowsScratch scratch = lay_out(context, op, arena);
  context.parallel(op.x.dim(0), [&](std::int64_t row, int worker) {
    measure_row(op, row, scratch.channel_sums[worker], scratch.run[worker]);
  });
}

std::size_t scratch_bytes(const Context&, const ops::GroupNormStats&) { return 0; }

void run(Context&, const ops::GroupNormStats& op, Arena&) {
  const std::int64_t height = op.moments.dim(0);
  const std::int64_t groups = op.moments.dim(1);
  const auto count = static_cast<double>(height);
  for (std::int64_t group = 0; group < groups; ++group) {
    const float* moments = op.moments.as<const float>() + 2 * group;
    double mean = 0;
    double variance = 0;
    for (std::int64_t row = 0; row < height; ++row) {
      mean += moments[row * groups * 2];
      variance += moments[row * groups * 2 + 1];
    }
    mean /= count;
    for (std::int64_t row = 0; row < height; ++row) {
      const double distance = moments[row * groups * 2] - mean;
      variance += distance * distance;
    }
    auto* stats = reinterpret_cast<float*>(row_address(op.stats, group));
    stats[0] = static_cast<float>(mean);
    stats[1] = static_cast<float>(1.0 / std::sqrt(variance / count + static_cast<double>(op.eps)));
  }
}

std::size_t scratch_bytes(const Context& context, const ops::GroupNormApply& op) {
  Arena arena = Arena::measuring();
  lay_out(context, op, arena);
  return arena.peak_bytes();
}

void run(Context& context, const ops::GroupNormApply& op, Arena& arena) {
  const ApplyScratch scratch = lay_out(context, op, arena);
  const std::int64_t channels = op.x.dim(2);
  const std::int64_t groups = op.stats.dim(0);
  widen_vector(op.weight, scratch.scale);
  widen_vector(op.bias, scratch.shift);
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto* stats = reinterpret_cast<const float*>(row_address(op.stats, c / (channels / groups)));
    scratch.mean[c] = stats[0];
    scratch.scale[c] *= stats[1];
  }
  const std::int64_t width = op.x.dim(1);
  const std::int64_t run = pixels_per_run(channels);
  context.parallel(op.x.dim(0), [&](std::int64_t row, int worker) {
    for (std::int64_t i = 0; i * run < width; ++i) {
      const Block pixels = block_at(i, run, width);
      const auto offset = static_cast<std::size_t>(pixels.begin * channels);
      const std::int64_t count = pixels.count * channels;
      const float* x = widen(row_address(op.x, row) + offset * dtype_bytes(op.x.dtype), op.x.dtype, scratch.x[worker],
                             static_cast<std::size_t>(count));
      const RunWriter out(row_address(op.out, row) + offset * dtype_bytes(op.out.dtype), op.out.dtype,
                          scratch.out[worker]);
      normalise_channels(x, scratch.mean, scratch.scale, scratch.shift, static_cast<std::size_t>(pixels.count),
                         static_cast<std::size_t>(channels), op.activation, out.values());
      out.store(count);
    }
  });
}

}  // namespace steadyflux::cpu
