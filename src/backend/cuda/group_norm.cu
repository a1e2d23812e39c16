// Normalisation of channel groups, in its three steps.
#include "backend/cuda/elements.cuh"
#include "backend/cuda/grid.cuh"
#include "backend/cuda/kernels.h"
#include "backend/cuda/reduce.cuh"
#include "base/checked.h"

namespace steadyflux::cuda {
namespace {

// The pixels of one row of an image, as one group of channels has them.
struct GroupRow {
  View x;
  std::int64_t row;
  std::int64_t width;
  int channels, group_size, first_channel;
};

// Calls f(element) for this lane's elements of the group, quads of one pixel where these are whole.
template <typename F>
__device__ void for_each_element(const GroupRow& group, const F& f) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int step = group.x.whole_quads ? kQuad : 1;
  const std::int64_t count = group.width * group.group_size;
  for (std::int64_t i = lane * step; i < count; i += kWarp * step) {
    const std::int64_t pixel = i / group.group_size;
    const std::int64_t column = pixel * group.channels + group.first_channel + (i - pixel * group.group_size);
    const Quad quad = load_quad(group.x, group.row, column, step);
#pragma unroll
    for (int e = 0; e < kQuad; ++e) {
      if (e < step) f(quad.v[e]);
    }
  }
}

// One warp for each row of pixels and group; the warps of a block have neighbouring groups, whose elements share lines
// of the cache.
__global__ void row_moments(View x, std::int64_t width, int channels, int groups, float* moments) {
  const int group = static_cast<int>(blockIdx.y * (blockDim.x / kWarp) + threadIdx.x / kWarp);
  if (group >= groups) return;
  const int size = channels / groups;
  const GroupRow part = {x, blockIdx.x, width, channels, size, group * size};
  const float count = static_cast<float>(width) * static_cast<float>(size);
  float sum = 0;
  for_each_element(part, [&](float value) { sum += value; });
  const float mean = sum_over_lanes(sum) / count;
  float squares = 0;
  for_each_element(part, [&](float value) { squares += (value - mean) * (value - mean); });
  const float variance = sum_over_lanes(squares) / count;
  if (threadIdx.x % kWarp == 0) {
    float* const result = moments + (part.row * groups + group) * 2;
    result[0] = mean;
    result[1] = variance;
  }
}

// The sum of term(row) over all rows, in their order: a warp reads a row for each lane, and every lane adds all of
// them.
template <typename F>
__device__ double sum_in_order(std::int64_t rows, const F& term) {
  double sum = 0;
  for (std::int64_t begin = 0; begin < rows; begin += kWarp) {
    const std::int64_t row = begin + threadIdx.x;
    const double mine = row < rows ? term(row) : 0.0;
    for (int lane = 0; lane < kWarp && begin + lane < rows; ++lane) sum += shuffle_from(mine, lane);
  }
  return sum;
}

// One warp for each group. Double, since the rows are few and their order is fixed.
__global__ void image_stats(const float* moments, std::int64_t rows, int groups, float eps, View stats) {
  const int group = static_cast<int>(blockIdx.x);
  const auto mean_of = [&](std::int64_t row) { return static_cast<double>(moments[(row * groups + group) * 2]); };
  const auto variance_of = [&](std::int64_t row) {
    return static_cast<double>(moments[(row * groups + group) * 2 + 1]);
  };
  const auto count = static_cast<double>(rows);
  const double mean = sum_in_order(rows, mean_of) / count;
  const double within = sum_in_order(rows, variance_of) / count;
  const double between = sum_in_order(rows,
                                      [&](std::int64_t row) {
                                        const double distance = mean_of(row) - mean;
                                        return distance * distance;
                                      }) /
                         count;
  if (threadIdx.x == 0) {
    store(stats, group, 0, static_cast<float>(mean));
    store(stats, group, 1, static_cast<float>(1.0 / sqrt(within + between + static_cast<double>(eps))));
  }
}

struct Apply {
  View x, stats, weight, bias;
  ops::Activation activation;
  View out;
  int channels, group_size;

  __device__ void operator()(std::int64_t row, std::int64_t column, int count) const {
    Quad quad = load_quad(x, row, column, count);
#pragma unroll
    for (int i = 0; i < kQuad; ++i) {
      if (i >= count) continue;
      const int channel = static_cast<int>((column + i) % channels);
      const int group = channel / group_size;
      const float normalised = (quad.v[i] - load(stats, group, 0)) * load(stats, group, 1);
      quad.v[i] = activate(activation, normalised * load(weight, 0, channel) + load(bias, 0, channel));
    }
    store_quad(out, row, column, count, quad);
  }
};

}  // namespace

void launch(const ops::GroupNormRows& op, cudaStream_t stream) {
  constexpr int kGroupsOfBlock = 8;
  const std::int64_t channels = op.x.dim(2);
  View x = view_of(op.x);
  x.whole_quads = x.whole_quads && channels / op.groups % kQuad == 0;
  const dim3 blocks(static_cast<unsigned>(op.x.dim(0)), static_cast<unsigned>(ceil_div(op.groups, kGroupsOfBlock)));
  launch(row_moments, blocks, dim3(kGroupsOfBlock * kWarp), 0, stream, x, op.x.dim(1), static_cast<int>(channels),
         static_cast<int>(op.groups), op.moments.as<float>());
}

void launch(const ops::GroupNormStats& op, cudaStream_t stream) {
  launch(image_stats, dim3(static_cast<unsigned>(op.moments.dim(1))), dim3(kWarp), 0, stream, op.moments.as<float>(),
         op.moments.dim(0), static_cast<int>(op.moments.dim(1)), op.eps, view_of(op.stats));
}

void launch(const ops::GroupNormApply& op, cudaStream_t stream) {
  const std::int64_t channels = op.x.dim(2);
  const Apply apply = {
      view_of(op.x), view_of(op.stats), view_of(op.weight),         view_of(op.bias),
      op.activation, view_of(op.out),   static_cast<int>(channels), static_cast<int>(channels / op.stats.dim(0))};
  launch_on_quads(op.x.dim(0), op.x.dim(1) * channels, stream, apply);
}

}  // namespace steadyflux::cuda
