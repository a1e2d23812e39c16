// Convolution by its definition: one window for each output pixel.
#include "backend/reference/elements.h"
#include "backend/reference/kernels.h"

namespace steadyflux::reference {
namespace {

double window_sum(const ops::Conv2d& op, std::int64_t out_y, std::int64_t out_x, std::int64_t out_channel) {
  const std::int64_t in_channels = op.x.dim(2);
  const std::int64_t kernel = op.weight.dim(2);
  const std::int64_t taps = kernel * kernel;
  double sum = 0;
  for (std::int64_t ky = 0; ky < kernel; ++ky) {
    for (std::int64_t kx = 0; kx < kernel; ++kx) {
      // Coordinates in the input after upsampling; outside of it is zero.
      const std::int64_t y = out_y * op.stride + ky - op.pad_top;
      const std::int64_t x = out_x * op.stride + kx - op.pad_left;
      if (y < 0 || x < 0 || y >= op.upsample * op.x.dim(0) || x >= op.upsample * op.x.dim(1)) continue;
      const std::int64_t pixel = y / op.upsample * op.x.dim(1) + x / op.upsample;
      const Run input = {op.x, pixel * in_channels};
      const Run weights = {op.weight, out_channel * in_channels * taps + ky * kernel + kx, taps};
      sum += dot(input, weights, in_channels);
    }
  }
  return sum;
}

}  // namespace

void compute(const ops::Conv2d& op) {
  const std::int64_t out_width = op.out.dim(1);
  const std::int64_t out_channels = op.out.dim(2);
  for (std::int64_t y = 0; y < op.out.dim(0); ++y) {
    for (std::int64_t x = 0; x < out_width; ++x) {
      for (std::int64_t channel = 0; channel < out_channels; ++channel) {
        const std::int64_t index = (y * out_width + x) * out_channels + channel;
        double result = window_sum(op, y, x, channel);
        if (!op.bias.empty()) result += load(op.bias, channel);
        if (op.accumulate) result += load(op.out, index);
        store(op.out, index, result);
      }
    }
  }
}

}  // namespace steadyflux::reference
