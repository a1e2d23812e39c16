#include "product_rates.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "backend/cuda/context.h"
#include "backend/cuda/handles.h"
#include "backend/cuda/hopper_linear.h"
#include "backend/cuda/products.h"

namespace steadyflux::bench {
namespace {

using namespace cuda;

struct Size {
  std::int64_t rows, depth, features;
  bool gelu = false;
  bool gated = false;
  int parts = 1;  // the kernel's: so many of `features` each
};

constexpr Size kSizes[] = {
    {4608, 3072, 3072},
    {4608, 3072, 3072, false, false, 3},
    {4608, 3072, 9216},
    {4608, 3072, 12288, true},
    {4608, 3072, 3072, false, true},
    {4096, 3072, 3072, false, true},
    {4608, 12288, 3072, false, true},
    {4096, 12288, 3072, false, true},
    {4608, 15360, 3072, false, true},
    {4608, 3072, 21504},
    {512, 3072, 3072, false, false, 3},
    {512, 12288, 3072, false, true},
    {8192, 8192, 8192},
};

// Shorter than Bench's, since there are many.
constexpr double kProductSeconds = 0.05;
constexpr int kProductRounds = 3;

class Timer {
 public:
  // Median seconds of f, which gives one product to the stream.
  template <typename F>
  double time(const F& f) {
    run(2, f);
    const int count = std::clamp(static_cast<int>(kProductSeconds / std::max(run(3, f), 1e-6)), 3, 2000);
    std::array<double, kProductRounds> rounds = {};
    for (double& each : rounds) each = run(count, f);
    std::nth_element(rounds.begin(), rounds.begin() + kProductRounds / 2, rounds.end());
    return rounds[kProductRounds / 2];
  }
  cudaStream_t stream() const { return stream_.get(); }

 private:
  template <typename F>
  double run(int count, const F& f) {
    check(cudaStreamSynchronize(stream()), "cudaStreamSynchronize");
    const Clock::time_point begin = Clock::now();
    for (int i = 0; i < count; ++i) f();
    check(cudaStreamSynchronize(stream()), "cudaStreamSynchronize");
    return seconds_since(begin) / count;
  }

  Owner<cudaStream_t> stream_ = make_stream();
};

struct Operands {
  Tensor x, weight;
};

Operands operands_of(Bench& bench, const Size& size) {
  return {bench.random(DType::kI8, {size.rows, size.depth}),
          bench.random(DType::kI8, {size.features * size.parts, size.depth})};
}

double time_library(Bench& bench, Timer& timer, Products& products, const Size& size, const Operands& operands) {
  const ArenaScope scope(bench.arena());
  const std::int64_t features = size.features * size.parts;
  const Product product = {.rows = size.rows,
                           .features = features,
                           .depth = size.depth,
                           .x_stride = size.depth,
                           .weight_stride = size.depth,
                           .out_stride = features,
                           .operand = DType::kI8,
                           .out = DType::kI32};
  const Tensor out = bench.arena().allocate(product.out, {size.rows, features});
  std::byte* const workspace = Products::allocate_workspace(bench.arena());
  const ProductMemory memory = {.x = operands.x.data, .weight = operands.weight.data, .bias = nullptr, .out = out.data};
  return timer.time([&] { products.run(product, memory, workspace, timer.stream()); });
}

double time_kernel(Bench& bench, Timer& timer, const Size& size, const Operands& operands, int cluster,
                   int num_multiprocessors) {
  const ArenaScope scope(bench.arena());
  const std::int64_t features = size.features * size.parts;
  // What is added to is FLUX's stream, which is f32.
  const Tensor out = bench.random(size.gated ? DType::kF32 : DType::kBF16, {size.rows, features});
  const Tensor bias = bench.random(DType::kBF16, {features});
  const Tensor gate = bench.random(DType::kF32, {features});
  const Tensor x_scales = bench.random(DType::kF32, {size.rows});
  const Tensor scales = bench.random(DType::kF32, {features});
  std::vector<HopperPart> parts;
  for (int i = 0; i < size.parts; ++i) {
    const std::int64_t first = i * size.features;
    HopperPart part = {.weight = operands.weight.rows(first, size.features).data,
                       .scales = scales.as<float>() + first,
                       .features = size.features,
                       .out = view_of(out.cols(first, size.features)),
                       .bias = view_of(bias.rows(first, size.features)),
                       .gelu = size.gelu,
                       .accumulate = size.gated};
    if (size.gated) part.gate = view_of(gate.rows(first, size.features));
    parts.push_back(part);
  }
  const HopperLinear product = {
      .x = operands.x.data, .x_scales = x_scales.as<float>(), .rows = size.rows, .depth = size.depth, .parts = parts};
  return timer.time([&] { launch_hopper_linear(product, cluster, num_multiprocessors, timer.stream()); });
}

std::string name_of(const Size& size) {
  std::string name = std::to_string(size.rows) + " x " + std::to_string(size.depth) + " to ";
  if (size.parts > 1) name += std::to_string(size.parts) + " x ";
  return name + std::to_string(size.features) + (size.gelu ? ", gelu" : size.gated ? ", gated" : "");
}

void print_rate(double seconds, const Size& size) {
  const double flops = 2.0 * static_cast<double>(size.rows * size.depth) * static_cast<double>(size.features) *
                       static_cast<double>(size.parts);
  std::printf(" %9.3f ms %7.1f", seconds * 1e3, flops / seconds * 1e-12);
  std::fflush(stdout);
}

}  // namespace

void print_product_rates(Bench& bench) {
  cudaDeviceProp properties = {};
  check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  const bool hopper = properties.major == 9 && properties.minor == 0 && has_hopper_linear();
  Timer timer;
  Products products;
  std::printf("%-40s %20s %20s %20s  (TFLOP/s)\n", "products in int8", "cuBLASLt alone", hopper ? "kernel, pairs" : "",
              hopper ? "kernel, single" : "");
  for (const Size& size : kSizes) {
    const ArenaScope scope(bench.arena());
    const Operands operands = operands_of(bench, size);
    std::printf("%-40s", name_of(size).c_str());
    print_rate(time_library(bench, timer, products, size, operands), size);
    for (const int cluster : {2, 1}) {
      if (!hopper) continue;
      print_rate(time_kernel(bench, timer, size, operands, cluster, properties.multiProcessorCount), size);
    }
    std::printf("\n");
  }
}

}  // namespace steadyflux::bench
