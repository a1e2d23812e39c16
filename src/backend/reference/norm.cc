// Normalisation of rows, heads and channel groups.
#include <cmath>

#include "backend/reference/activation.h"
#include "backend/reference/elements.h"
#include "backend/reference/kernels.h"

namespace steadyflux::reference {
namespace {

double mean_of(const Tensor& x, std::int64_t begin, std::int64_t count) {
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += load(x, begin + i);
  return sum / static_cast<double>(count);
}

double mean_square_about(double centre, const Tensor& x, std::int64_t begin, std::int64_t count) {
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const double distance = load(x, begin + i) - centre;
    sum += distance * distance;
  }
  return sum / static_cast<double>(count);
}

double reciprocal_root(double mean_square, float eps) { return 1 / std::sqrt(mean_square + static_cast<double>(eps)); }

void norm_and_rotate_head(const ops::QkNormRope& op, std::int64_t row, std::int64_t head) {
  const std::int64_t head_dim = op.x.dim(2);
  const std::int64_t begin = row * op.x.row_stride() + head * head_dim;
  const double scale = reciprocal_root(mean_square_about(0, op.x, begin, head_dim), op.eps);
  const auto normalised = [&](std::int64_t i) { return load(op.x, begin + i) * scale * load(op.weight, i); };
  if (op.pe.empty()) {
    for (std::int64_t i = 0; i < head_dim; ++i) store(op.x, begin + i, normalised(i));
    return;
  }
  for (std::int64_t i = 0; i < head_dim; i += 2) {
    const double cosine = load(op.pe, row, i);
    const double sine = load(op.pe, row, i + 1);
    const double a = normalised(i);
    const double b = normalised(i + 1);
    store(op.x, begin + i, a * cosine - b * sine);
    store(op.x, begin + i + 1, a * sine + b * cosine);
  }
}

}  // namespace

void compute(const ops::LayerNorm& op) {
  const std::int64_t width = op.x.dim(1);
  for (std::int64_t row = 0; row < op.x.dim(0); ++row) {
    const std::int64_t begin = row * op.x.row_stride();
    const double mean = mean_of(op.x, begin, width);
    const double rstd = reciprocal_root(mean_square_about(mean, op.x, begin, width), op.eps);
    for (std::int64_t i = 0; i < width; ++i) {
      const double scale = static_cast<double>(op.scale_offset) + load(op.scale, i);
      store(op.out, row, i, (load(op.x, begin + i) - mean) * rstd * scale + load(op.shift, i));
    }
  }
}

void compute(const ops::RmsNorm& op) {
  const std::int64_t width = op.x.dim(1);
  for (std::int64_t row = 0; row < op.x.dim(0); ++row) {
    const std::int64_t begin = row * op.x.row_stride();
    const double scale = reciprocal_root(mean_square_about(0, op.x, begin, width), op.eps);
    for (std::int64_t i = 0; i < width; ++i) store(op.out, row, i, load(op.x, begin + i) * scale * load(op.weight, i));
  }
}

void compute(const ops::QkNormRope& op) {
  for (std::int64_t row = 0; row < op.x.dim(0); ++row) {
    for (std::int64_t head = 0; head < op.x.dim(1); ++head) norm_and_rotate_head(op, row, head);
  }
}

void compute(const ops::GroupNormRows& op) {
  const std::int64_t width = op.x.dim(1);
  const std::int64_t channels = op.x.dim(2);
  const std::int64_t group_size = channels / op.groups;
  const auto num_elements = static_cast<double>(width * group_size);
  const auto mean_over_group = [&](std::int64_t row, std::int64_t group, auto&& term) {
    double sum = 0;
    for (std::int64_t x = 0; x < width; ++x) {
      const std::int64_t begin = row * op.x.row_stride() + x * channels + group * group_size;
      for (std::int64_t c = 0; c < group_size; ++c) sum += term(load(op.x, begin + c));
    }
    return sum / num_elements;
  };
  for (std::int64_t row = 0; row < op.x.dim(0); ++row) {
    for (std::int64_t group = 0; group < op.groups; ++group) {
      const double mean = mean_over_group(row, group, [](double value) { return value; });
      const double variance =
          mean_over_group(row, group, [=](double value) { return (value - mean) * (value - mean); });
      const std::int64_t index = (row * op.groups + group) * 2;
      store(op.moments, index, mean);
      store(op.moments, index + 1, variance);
    }
  }
}

void compute(const ops::GroupNormStats& op) {
  const std::int64_t height = op.moments.dim(0);
  const std::int64_t groups = op.moments.dim(1);
  const auto mean_over_rows = [&](auto&& term) {
    double sum = 0;
    for (std::int64_t row = 0; row < height; ++row) sum += term(row);
    return sum / static_cast<double>(height);
  };
  for (std::int64_t group = 0; group < groups; ++group) {
    const auto row_mean = [&](std::int64_t row) { return load(op.moments, (row * groups + group) * 2); };
    const auto row_variance = [&](std::int64_t row) { return load(op.moments, (row * groups + group) * 2 + 1); };
    const double mean = mean_over_rows(row_mean);
    const double variance = mean_over_rows(row_variance) + mean_over_rows([&](std::int64_t row) {
                              return (row_mean(row) - mean) * (row_mean(row) - mean);
                            });
    store(op.stats, group, 0, mean);
    store(op.stats, group, 1, reciprocal_root(variance, op.eps));
  }
}

void compute(const ops::GroupNormApply& op) {
  const std::int64_t channels = op.x.dim(2);
  const std::int64_t group_size = channels / op.stats.dim(0);
  for (std::int64_t y = 0; y < op.x.dim(0); ++y) {
    for (std::int64_t i = 0; i < op.x.dim(1) * channels; ++i) {
      const std::int64_t channel = i % channels;
      const double mean = load(op.stats, channel / group_size, 0);
      const double rstd = load(op.stats, channel / group_size, 1);
      const double result = (load(op.x, y, i) - mean) * rstd * load(op.weight, channel) + load(op.bias, channel);
      store(op.out, y, i, activate(op.activation, result));
    }
  }
}

}  // namespace steadyflux::reference
