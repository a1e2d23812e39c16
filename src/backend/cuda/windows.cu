// Convolution as a matrix product: the windows of pixels as rows, and the filter in the same order.
#include "backend/cuda/elements.cuh"
#include "backend/cuda/operands.h"
#include "base/checked.h"

namespace steadyflux::cuda {
namespace {

constexpr unsigned kThreads = 256;

// A convolution's geometry in numbers of 32 bits; kept small, since every thread holds it.
struct Geometry {
  View x;                       // [pixels, channels]
  int height, width, channels;  // of the input, before it is doubled
  int out_width, num_pixels;    // of the output
  int kernel, stride, upsample, pad_top, pad_left;

  // The input pixel under tap `tap` of the window of output pixel `pixel`; -1 outside, where there is zero.
  __device__ int input_pixel(int pixel, int tap) const {
    const int y = pixel / out_width * stride + tap / kernel - pad_top;
    const int x_position = pixel % out_width * stride + tap % kernel - pad_left;
    const bool inside = y >= 0 && x_position >= 0 && y < upsample * height && x_position < upsample * width;
    return inside ? y / upsample * width + x_position / upsample : -1;
  }
};

__device__ void store_operand_quad(const Operand& operand, std::int64_t row, std::int64_t column, const Quad& quad) {
  store_quad({operand.data, operand.depth, operand.dtype, true}, row, column, kQuad, quad);
}

// One thread for four elements of a window. Where channels are whole quads, these are four channels of one pixel.
__global__ void gather_windows(Geometry geometry, int first, int count, Operand operand) {
  const int quads = static_cast<int>(operand.depth / kQuad);
  const std::int64_t index = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const int row = static_cast<int>(index / quads);
  if (row >= count) return;
  const int column = static_cast<int>(index % quads) * kQuad;
  const int taps = geometry.kernel * geometry.kernel;
  const int pixel = first + row;
  Quad quad = {};
  if (pixel < geometry.num_pixels) {
    const bool whole = geometry.channels % kQuad == 0;
#pragma unroll
    for (int i = 0; i < kQuad; ++i) {
      const int tap = (column + i) / geometry.channels;
      if (tap >= taps || (whole && i > 0)) continue;
      const int from = geometry.input_pixel(pixel, tap);
      if (from < 0) continue;
      const int channel = column + i - tap * geometry.channels;
      if (whole) {
        quad = load_quad(geometry.x, from, channel, kQuad);
      } else {
        quad.v[i] = load(geometry.x, from, channel);
      }
    }
  }
  store_operand_quad(operand, row, column, quad);
}

__global__ void gather_filter(const std::byte* weight, DType dtype, std::int64_t out_channels, int channels, int taps,
                              Operand operand) {
  const int quads = static_cast<int>(operand.depth / kQuad);
  const std::int64_t index = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const std::int64_t row = index / quads;
  if (row >= out_channels) return;
  const int column = static_cast<int>(index % quads) * kQuad;
  Quad quad = {};
#pragma unroll
  for (int i = 0; i < kQuad; ++i) {
    const int tap = (column + i) / channels;
    const int channel = column + i - tap * channels;
    if (tap < taps) quad.v[i] = load(weight, dtype, (row * channels + channel) * taps + tap);
  }
  store_operand_quad(operand, row, column, quad);
}

dim3 blocks_for(std::int64_t rows, const Operand& operand) {
  return dim3(static_cast<unsigned>(ceil_div(rows * (operand.depth / kQuad), kThreads)));
}

}  // namespace

void pack_filter(const Tensor& weight, const Operand& operand, cudaStream_t stream) {
  const std::int64_t kernel = weight.dim(2);
  launch(gather_filter, blocks_for(weight.dim(0), operand), dim3(kThreads), 0, stream, weight.data, weight.dtype,
         weight.dim(0), static_cast<int>(weight.dim(1)), static_cast<int>(kernel * kernel), operand);
}

void pack_windows(const ops::Conv2d& op, std::int64_t first, std::int64_t count, const Operand& operand,
                  cudaStream_t stream) {
  const auto number = [](std::int64_t value) { return static_cast<int>(value); };
  const Tensor pixels = op.x.reshaped({op.x.dim(0) * op.x.dim(1), op.x.dim(2)});
  const Geometry geometry = {.x = view_of(pixels),
                             .height = number(op.x.dim(0)),
                             .width = number(op.x.dim(1)),
                             .channels = number(op.x.dim(2)),
                             .out_width = number(op.out.dim(1)),
                             .num_pixels = number(op.out.dim(0) * op.out.dim(1)),
                             .kernel = number(op.weight.dim(2)),
                             .stride = number(op.stride),
                             .upsample = number(op.upsample),
                             .pad_top = number(op.pad_top),
                             .pad_left = number(op.pad_left)};
  launch(gather_windows, blocks_for(count, operand), dim3(kThreads), 0, stream, geometry, number(first), number(count),
         operand);
}

}  // namespace steadyflux::cuda
