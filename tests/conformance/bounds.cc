#include "bounds.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "backend/reference/activation.h"
#include "backend/reference/decoded.h"
#include "backend/reference/elements.h"
#include "backend/reference/int8_row.h"
#include "tolerance.h"

namespace steadyflux::conformance {
namespace {

using reference::load;
using Bounds = std::vector<double>;

double magnitude(double value) { return std::fabs(value); }

// What a sum of products says about its error.
struct Products {
  double sum = 0;
  double magnitudes = 0;
  double squares = 0;
  std::int64_t count = 0;

  void add(double product) {
    sum += product;
    magnitudes += magnitude(product);
    squares += product * product;
    ++count;
  }
  double error(bool factor_rounded_to_bf16) const {
    return sum_error(count) * magnitudes + (factor_rounded_to_bf16 ? bf16_factor_error(squares) : 0);
  }
};

// A backend may multiply bf16 activations with weights rounded to bf16.
bool weights_are_rounded(const Tensor& x, const Tensor& weight) {
  return x.dtype == DType::kBF16 && weight.dtype != DType::kBF16;
}

// A value and how far off it may be.
struct Uncertain {
  double value = 0;
  double error = 0;
};

Uncertain plus(Uncertain a, double b) {
  return {a.value + b, a.error + kUnitF32 * (magnitude(a.value) + magnitude(b))};
}

Uncertain times(Uncertain a, double b) {
  return {a.value * b, a.error * magnitude(b) + kUnitF32 * magnitude(a.value * b)};
}

Uncertain activated(Uncertain x, ops::Activation activation) {
  if (activation == ops::Activation::kNone) return x;
  return {reference::activate(activation, x.value), activation_error(x.value, x.error)};
}

// --- linear layers and convolution

// x weight^T at one place. Of integers, the sum is exact; it, the product of the scales and their product with it are
// rounded once each.
class LinearSums {
 public:
  LinearSums(const Tensor& x, const ops::LinearPart& part) : x_(x), part_(part) {
    if (part.compute == ops::Compute::kFloat) return;
    for (std::int64_t i = 0; i < x.dim(0); ++i) x_rows_.push_back(reference::int8_row(x, i));
    for (std::int64_t i = 0; i < part.out.dim(1); ++i) w_rows_.push_back(reference::int8_row(part.linear.weight, i));
  }

  Uncertain at(std::int64_t row, std::int64_t column) const {
    return part_.compute == ops::Compute::kFloat ? float_sum(row, column) : int8_sum(row, column);
  }

 private:
  Uncertain float_sum(std::int64_t row, std::int64_t column) const {
    const Tensor& weight = part_.linear.weight;
    Products products;
    for (std::int64_t i = 0; i < x_.dim(1); ++i) products.add(load(x_, row, i) * load(weight, column, i));
    return {products.sum, products.error(weights_are_rounded(x_, weight))};
  }
  Uncertain int8_sum(std::int64_t row, std::int64_t column) const {
    const reference::Int8Row& x = x_rows_[static_cast<std::size_t>(row)];
    const reference::Int8Row& w = w_rows_[static_cast<std::size_t>(column)];
    const double value =
        static_cast<double>(reference::int8_dot(x, w)) * static_cast<double>(x.scale) * static_cast<double>(w.scale);
    return {value, 3 * kUnitF32 * magnitude(value)};
  }

  const Tensor& x_;
  const ops::LinearPart& part_;
  std::vector<reference::Int8Row> x_rows_;
  std::vector<reference::Int8Row> w_rows_;
};

Bounds part_bounds(const Tensor& x, const ops::LinearPart& part) {
  const ops::Linear& linear = part.linear;
  const LinearSums sums(x, part);
  Bounds bounds;
  for (std::int64_t row = 0; row < x.dim(0); ++row) {
    for (std::int64_t column = 0; column < part.out.dim(1); ++column) {
      Uncertain result = sums.at(row, column);
      if (!linear.bias.empty()) result = plus(result, load(linear.bias, column));
      result = activated(result, part.activation);
      if (!part.gate.empty()) result = times(result, load(part.gate, column));
      if (part.accumulate) result = plus(result, load(part.out, row, column));
      bounds.push_back(result.error);
    }
  }
  return bounds;
}

// Calls visit(tap, in_channel, x) for what a window sees of the image.
template <typename F>
void for_window(const ops::Conv2d& op, std::int64_t out_y, std::int64_t out_x, F&& visit) {
  const std::int64_t in_channels = op.x.dim(2);
  const std::int64_t kernel = op.weight.dim(2);
  for (std::int64_t tap = 0; tap < kernel * kernel; ++tap) {
    const std::int64_t y = out_y * op.stride + tap / kernel - op.pad_top;
    const std::int64_t x = out_x * op.stride + tap % kernel - op.pad_left;
    if (y < 0 || x < 0 || y >= op.upsample * op.x.dim(0) || x >= op.upsample * op.x.dim(1)) continue;
    const std::int64_t pixel = y / op.upsample * op.x.dim(1) + x / op.upsample;
    for (std::int64_t c = 0; c < in_channels; ++c) visit(tap, c, load(op.x, pixel * in_channels + c));
  }
}

double filter_weight(const ops::Conv2d& op, std::int64_t channel, std::int64_t in_channel, std::int64_t tap) {
  const std::int64_t taps = op.weight.dim(2) * op.weight.dim(2);
  return load(op.weight, (channel * op.weight.dim(1) + in_channel) * taps + tap);
}

// How often, over the points of one side of a tile of F(2, 3), the product of the magnitudes of tap i of a window and
// of weight j counts in |A^T| (|B^T| |d| * |G| |g|), for the upper pixel of the tile; the lower is its mirror image.
constexpr double kUpperCounts[3][3] = {{1, 0, 0}, {1, 1, 1}, {2, 1, 1}};

double winograd_count(bool lower, std::int64_t tap, std::int64_t weight) {
  return lower ? kUpperCounts[2 - tap][2 - weight] : kUpperCounts[tap][weight];
}

// The error of the window's sum by F(2 x 2, 3 x 3): what its products add up to in magnitude, by the rule for sums of
// as many terms as there are channels, and the 12 roundings (4 each) with which pixels and filters come to the points,
// and results back.
double winograd_error(const ops::Conv2d& op, std::int64_t out_y, std::int64_t out_x, std::int64_t channel) {
  const bool lower = (op.first_row + out_y) % 2 == 1;
  const bool right = out_x % 2 == 1;
  double magnitudes = 0;
  for_window(op, out_y, out_x, [&](std::int64_t tap, std::int64_t c, double x) {
    for (std::int64_t weight = 0; weight < 9; ++weight) {
      const double count = winograd_count(lower, tap / 3, weight / 3) * winograd_count(right, tap % 3, weight % 3);
      if (count > 0) magnitudes += count * magnitude(x * filter_weight(op, channel, c, weight));
    }
  });
  return sum_error(op.x.dim(2) + 12) * magnitudes;
}

Products window(const ops::Conv2d& op, std::int64_t out_y, std::int64_t out_x, std::int64_t channel) {
  Products products;
  for_window(op, out_y, out_x,
             [&](std::int64_t tap, std::int64_t c, double x) { products.add(x * filter_weight(op, channel, c, tap)); });
  return products;
}

double window_error(const ops::Conv2d& op, const Products& products, std::int64_t y, std::int64_t x,
                    std::int64_t channel) {
  const double direct = products.error(weights_are_rounded(op.x, op.weight));
  if (op.weight.dim(2) != 3 || op.stride != 1) return direct;
  return std::max(direct, winograd_error(op, y, x, channel));
}

Bounds bounds_of(const ops::Conv2d& op) {
  Bounds bounds;
  for (std::int64_t y = 0; y < op.out.dim(0); ++y) {
    for (std::int64_t x = 0; x < op.out.dim(1); ++x) {
      for (std::int64_t channel = 0; channel < op.out.dim(2); ++channel) {
        const Products products = window(op, y, x, channel);
        Uncertain result = {products.sum, window_error(op, products, y, x, channel)};
        if (!op.bias.empty()) result = plus(result, load(op.bias, channel));
        const auto element = static_cast<std::int64_t>(bounds.size());
        if (op.accumulate) result = plus(result, load(op.out, element));
        bounds.push_back(result.error);
      }
    }
  }
  return bounds;
}

// --- normalisation

// Mean and 1/sqrt(variance + eps) of values summed in f32. An error d of the mean adds d^2 to the variance; the root
// halves the relative error.
struct Moments {
  double mean = 0;
  double mean_error = 0;
  double variance = 0;
  double variance_error = 0;
  double rstd = 0;
  double rstd_error = 0;
};

Moments with_rstd(Moments m, double variance, double variance_error, double eps) {
  m.variance = variance;
  m.variance_error = variance_error;
  m.rstd = 1 / std::sqrt(variance + eps);
  m.rstd_error = m.rstd * (variance_error / (variance + eps) / 2 + 4 * kUnitF32);
  return m;
}

// `values` gives value i of `count`. About zero, not about the mean, for RMS norm.
template <typename F>
Moments moments(std::int64_t count, double eps, bool about_mean, F&& values) {
  const auto n = static_cast<double>(count);
  Moments result;
  if (about_mean) {
    double magnitudes = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      result.mean += values(i) / n;
      magnitudes += magnitude(values(i)) / n;
    }
    result.mean_error = (sum_error(count) + kUnitF32) * magnitudes;
  }
  double variance = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const double distance = values(i) - result.mean;
    variance += distance * distance / n;
  }
  const double variance_error = (sum_error(count) + 4 * kUnitF32) * variance + result.mean_error * result.mean_error;
  return with_rstd(result, variance, variance_error, eps);
}

// (x - mean) * rstd. The subtraction may have been folded into x * a + b, which rounds x * a and mean * a.
Uncertain normalised(double x, const Moments& m) {
  const double distance = x - m.mean;
  const double subtraction = m.mean_error + 2 * kUnitF32 * (magnitude(x) + magnitude(m.mean));
  return {distance * m.rstd, subtraction * m.rstd + magnitude(distance) * m.rstd_error};
}

Bounds bounds_of(const ops::LayerNorm& op) {
  Bounds bounds;
  for (std::int64_t row = 0; row < op.x.dim(0); ++row) {
    const auto value = [&](std::int64_t i) { return load(op.x, row, i); };
    const Moments m = moments(op.x.dim(1), op.eps, true, value);
    for (std::int64_t i = 0; i < op.x.dim(1); ++i) {
      Uncertain result = times(normalised(value(i), m), op.scale_offset + load(op.scale, i));
      result.error += magnitude(result.value) * kUnitF32;  // the rounding of the scale's own sum
      bounds.push_back(plus(result, load(op.shift, i)).error);
    }
  }
  return bounds;
}

Bounds bounds_of(const ops::RmsNorm& op) {
  Bounds bounds;
  for (std::int64_t row = 0; row < op.x.dim(0); ++row) {
    const auto value = [&](std::int64_t i) { return load(op.x, row, i); };
    const Moments m = moments(op.x.dim(1), op.eps, false, value);
    for (std::int64_t i = 0; i < op.x.dim(1); ++i) {
      bounds.push_back(times(times({m.rstd, m.rstd_error}, value(i)), load(op.weight, i)).error);
    }
  }
  return bounds;
}

void add_head_bounds(const ops::QkNormRope& op, std::int64_t row, std::int64_t head, Bounds& bounds) {
  const std::int64_t head_dim = op.x.dim(2);
  const auto value = [&](std::int64_t i) { return load(op.x, row, head * head_dim + i); };
  const Moments m = moments(head_dim, op.eps, false, value);
  const auto scaled = [&](std::int64_t i) {
    return times(times({m.rstd, m.rstd_error}, value(i)), load(op.weight, i));
  };
  for (std::int64_t i = 0; i < head_dim; ++i) {
    if (op.pe.empty()) {
      bounds.push_back(scaled(i).error);
      continue;
    }
    const bool first = i % 2 == 0;
    const double cosine = load(op.pe, row, first ? i : i - 1);
    const double sine = load(op.pe, row, first ? i + 1 : i);
    const Uncertain a = times(scaled(i), cosine);
    const Uncertain b = times(scaled(first ? i + 1 : i - 1), sine);
    bounds.push_back(plus(a, b.value).error + b.error);
  }
}

Bounds bounds_of(const ops::QkNormRope& op) {
  Bounds bounds;
  for (std::int64_t row = 0; row < op.x.dim(0); ++row) {
    for (std::int64_t head = 0; head < op.x.dim(1); ++head) add_head_bounds(op, row, head, bounds);
  }
  return bounds;
}

Bounds bounds_of(const ops::GroupNormRows& op) {
  const std::int64_t channels = op.x.dim(2);
  const std::int64_t size = channels / op.groups;
  Bounds bounds;
  for (std::int64_t row = 0; row < op.x.dim(0); ++row) {
    for (std::int64_t group = 0; group < op.groups; ++group) {
      const auto value = [&](std::int64_t i) { return load(op.x, row, i / size * channels + group * size + i % size); };
      const Moments m = moments(op.x.dim(1) * size, 0, true, value);
      bounds.push_back(m.mean_error);
      bounds.push_back(m.variance_error);
    }
  }
  return bounds;
}

Bounds bounds_of(const ops::GroupNormStats& op) {
  const std::int64_t height = op.moments.dim(0);
  const std::int64_t groups = op.moments.dim(1);
  Bounds bounds;
  for (std::int64_t group = 0; group < groups; ++group) {
    const auto row_mean = [&](std::int64_t row) { return load(op.moments, (row * groups + group) * 2); };
    const auto row_variance = [&](std::int64_t row) { return load(op.moments, (row * groups + group) * 2 + 1); };
    const Moments of_means = moments(height, 0, true, row_mean);
    double within = 0;
    for (std::int64_t row = 0; row < height; ++row) within += row_variance(row) / static_cast<double>(height);
    const double variance_error = of_means.variance_error + (sum_error(height) + 2 * kUnitF32) * within;
    const Moments whole = with_rstd(of_means, of_means.variance + within, variance_error, op.eps);
    bounds.push_back(whole.mean_error);
    bounds.push_back(whole.rstd_error);
  }
  return bounds;
}

Bounds bounds_of(const ops::GroupNormApply& op) {
  const std::int64_t channels = op.x.dim(2);
  const std::int64_t size = channels / op.stats.dim(0);
  Bounds bounds;
  for (std::int64_t y = 0; y < op.x.dim(0); ++y) {
    for (std::int64_t i = 0; i < op.x.dim(1) * channels; ++i) {
      const std::int64_t channel = i % channels;
      const Moments m = {.mean = load(op.stats, channel / size, 0), .rstd = load(op.stats, channel / size, 1)};
      const Uncertain scaled = times(normalised(load(op.x, y, i), m), load(op.weight, channel));
      bounds.push_back(activated(plus(scaled, load(op.bias, channel)), op.activation).error);
    }
  }
  return bounds;
}

// --- attention

// The scores of one query and head: exact, with the error of each.
std::vector<Uncertain> scores_of(const ops::Attention& op, std::int64_t i, std::int64_t head, std::int64_t count) {
  const std::int64_t head_dim = op.q.dim(2);
  std::vector<Uncertain> scores;
  for (std::int64_t j = 0; j < count; ++j) {
    Products products;
    for (std::int64_t d = 0; d < head_dim; ++d) {
      products.add(load(op.q, i, head * head_dim + d) * load(op.k, j, head * head_dim + d));
    }
    Uncertain score = times({products.sum, products.error(false)}, op.scale);
    if (!op.relative_bias.empty()) score = plus(score, load(op.relative_bias, head, j - i + op.q.dim(0) - 1));
    scores.push_back(score);
  }
  return scores;
}

// Scores to probabilities. Their errors are relative to each other, before the division by the sum: the error of the
// score, that of its difference to the maximum (which may be taken after a change of base), and of the exponential.
void to_probabilities(std::vector<Uncertain>& scores) {
  double largest = -std::numeric_limits<double>::infinity();
  for (const Uncertain& each : scores) largest = std::max(largest, each.value);
  double sum = 0;
  for (Uncertain& each : scores) {
    const double relative = each.error + 2 * kUnitF32 * (magnitude(each.value) + magnitude(largest)) + 8 * kUnitF32;
    each = {std::exp(each.value - largest), relative};
    sum += each.value;
  }
  for (Uncertain& each : scores) each = {each.value / sum, each.value / sum * each.error};
}

// out = sum p v with sum p = 1: an error e_j of p_j moves it by e_j (v_j - out). The products are summed in f32, the
// probabilities too; both are rescaled when the running maximum grows. Where q, k and v are bf16, a backend may round
// the probabilities to bf16.
double sum_bound(const std::vector<Uncertain>& probabilities, const ops::Attention& op, std::int64_t column) {
  Products products;
  std::int64_t j = 0;
  for (const Uncertain& p : probabilities) products.add(p.value * load(op.v, j++, column));
  double moved = 0;
  j = 0;
  for (const Uncertain& p : probabilities) moved += p.error * magnitude(load(op.v, j++, column) - products.sum);
  const bool rounded = op.q.dtype == DType::kBF16 && op.k.dtype == DType::kBF16 && op.v.dtype == DType::kBF16;
  return moved + products.error(rounded) + (sum_error(products.count) + 8 * kUnitF32) * products.magnitudes;
}

Bounds bounds_of(const ops::Attention& op) {
  const std::int64_t head_dim = op.q.dim(2);
  Bounds bounds;
  for (std::int64_t i = 0; i < op.q.dim(0); ++i) {
    const std::int64_t visible = op.causal ? std::min(i + 1, op.k.dim(0)) : op.k.dim(0);
    for (std::int64_t head = 0; head < op.q.dim(1); ++head) {
      std::vector<Uncertain> weights = scores_of(op, i, head, visible);
      to_probabilities(weights);
      for (std::int64_t d = 0; d < head_dim; ++d) bounds.push_back(sum_bound(weights, op, head * head_dim + d));
    }
  }
  return bounds;
}

// --- elementwise

template <typename F>
Bounds each_element(const Tensor& out, F&& error) {
  Bounds bounds;
  for (std::int64_t row = 0; row < out.dim(0); ++row) {
    for (std::int64_t column = 0; column < out.dim(1); ++column) bounds.push_back(error(row, column));
  }
  return bounds;
}

Bounds exact(const Tensor& out) { return Bounds(static_cast<std::size_t>(out.shape.num_elements()), 0.0); }

Bounds bounds_of(const ops::EmbedRows& op) { return exact(op.out); }
Bounds bounds_of(const ops::EulerStep& op) { return exact(op.latents); }
Bounds bounds_of(const ops::TrueCfg& op) { return exact(op.out); }
Bounds bounds_of(const ops::ToRgb8& op) { return exact(op.out); }

Bounds bounds_of(const ops::Glu& op) {
  return each_element(op.out, [&](std::int64_t row, std::int64_t column) {
    return times(activated({load(op.gate, row, column), 0}, op.activation), load(op.up, row, column)).error;
  });
}

Bounds bounds_of(const ops::Add& op) {
  if (op.activation == ops::Activation::kNone) return exact(op.out);
  return each_element(op.out, [&](std::int64_t row, std::int64_t column) {
    const double b = op.b.empty() ? 0 : load(op.b, op.b.dim(0) == 1 ? 0 : row, column);
    return activated(plus({load(op.a, row, column), 0}, b), op.activation).error;
  });
}

// Two roundings of numbers no larger than |x scale| + |shift scale|; in which order is the backend's choice.
Bounds bounds_of(const ops::UnpackLatents& op) {
  double largest = 0;
  for (std::int64_t row = 0; row < op.packed.dim(0); ++row) {
    for (std::int64_t i = 0; i < op.packed.dim(1); ++i) largest = std::max(largest, magnitude(load(op.packed, row, i)));
  }
  const double bound = 2 * kUnitF32 * (largest * magnitude(op.scale) + magnitude(op.shift));
  return Bounds(static_cast<std::size_t>(op.image.shape.num_elements()), bound);
}

Bounds bounds_of(const ops::PackLatents& op) {
  double largest = 0;
  for (std::int64_t i = 0; i < op.image.shape.num_elements(); ++i) {
    largest = std::max(largest, magnitude(load(op.image, i)));
  }
  const double bound = 2 * kUnitF32 * (largest + magnitude(op.shift)) * magnitude(op.scale);
  return Bounds(static_cast<std::size_t>(op.image.shape.num_elements()), bound);
}

}  // namespace

std::vector<std::vector<double>> error_bounds(const ops::Op& op) {
  if (const auto* linear = std::get_if<ops::LinearMany>(&op)) {
    std::vector<Bounds> parts;
    for (ops::LinearPart part : linear->parts) {
      // Integers that are stored are multiplied as they are.
      if (part.compute == ops::Compute::kInt8 && part.linear.weight.dtype == DType::kI8) {
        parts.push_back(part_bounds(linear->x, part));
        continue;
      }
      // What a quantised weight stands for is exact in f32, by the contract.
      const reference::Decoded weight(part.linear.weight);
      part.linear.weight = weight.tensor();
      parts.push_back(part_bounds(linear->x, part));
    }
    return parts;
  }
  return std::visit(
      [](const auto& each) -> std::vector<Bounds> {
        if constexpr (requires { bounds_of(each); }) return {bounds_of(each)};
        return {};
      },
      op);
}

}  // namespace steadyflux::conformance
