// How fast the operations of FLUX run on the first CUDA device: cuda_rates
//
// Prints a line for each: milliseconds, and TFLOP/s or GB/s by ops::cost. "product alone" is the same product storing
// bf16 with no epilogue. A table of products of integers follows: Hopper's kernel beside cuBLASLt alone. Operands are
// random; every figure is the median of several rounds of back-to-back runs.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "backend/arena.h"
#include "backend/cuda_backend.h"
#include "cuda_bench.h"
#include "product_rates.h"

namespace steadyflux {
namespace {

using bench::Bench;
using bench::Clock;
using bench::seconds_since;

void print_flops(const std::string& name, double seconds, double flops) {
  std::printf("%-58s %9.3f ms %8.1f TFLOP/s\n", name.c_str(), seconds * 1e3, flops / seconds * 1e-12);
  std::fflush(stdout);
}

void print_bytes(const std::string& name, double seconds, double bytes) {
  std::printf("%-58s %9.3f ms %8.1f GB/s\n", name.c_str(), seconds * 1e3, bytes / seconds * 1e-9);
  std::fflush(stdout);
}

struct LinearCase {
  const char* name;
  std::int64_t rows, in_features, out_features;
  bool bias = true;
  ops::Activation activation = ops::Activation::kNone;
  bool gated = false;
  DType weight = DType::kBF16;
  ops::Compute compute = ops::Compute::kFloat;
};

// A gated one adds to FLUX's stream, which is f32.
ops::LinearPart part_of(Bench& bench, const LinearCase& each) {
  constexpr DType bf16 = DType::kBF16;
  ops::LinearPart part = {.linear = {bench.random(each.weight, {each.out_features, each.in_features})},
                          .out = bench.random(each.gated ? DType::kF32 : bf16, {each.rows, each.out_features}),
                          .activation = each.activation,
                          .accumulate = each.gated,
                          .compute = each.compute};
  if (each.bias) part.linear.bias = bench.random(bf16, {each.out_features});
  if (each.gated) part.gate = bench.random(bf16, {each.out_features});
  return part;
}

void time_linear(Bench& bench, const LinearCase& each) {
  const ArenaScope scope(bench.arena());
  const Tensor x = bench.random(DType::kBF16, {each.rows, each.in_features});
  const std::vector<ops::LinearPart> parts = {part_of(bench, each)};
  const ops::LinearMany op = {x, parts};
  print_flops(each.name, bench.time(op), ops::cost(op).flops);
  if (!each.gated && each.activation == ops::Activation::kNone && each.weight == DType::kBF16) return;
  std::vector<ops::LinearPart> alone = parts;
  alone[0] = {.linear = {bench.random(DType::kBF16, {each.out_features, each.in_features})},
              .out = bench.random(DType::kBF16, {each.rows, each.out_features})};
  print_flops("  product alone", bench.time(ops::LinearMany{x, alone}), ops::cost(op).flops);
}

void time_linears(Bench& bench) {
  constexpr auto gelu = ops::Activation::kGeluTanh;
  const LinearCase cases[] = {
      {.name = "square, 8192", .rows = 8192, .in_features = 8192, .out_features = 8192, .bias = false},
      {.name = "q, k and v, 4608 x 3072 to 9216", .rows = 4608, .in_features = 3072, .out_features = 9216},
      {.name = "into mlp with gelu, 4608 x 3072 to 12288",
       .rows = 4608,
       .in_features = 3072,
       .out_features = 12288,
       .activation = gelu},
      {.name = "out of attention, gated, 4096 x 3072 to 3072",
       .rows = 4096,
       .in_features = 3072,
       .out_features = 3072,
       .gated = true},
      {.name = "out of mlp, gated, 4096 x 12288 to 3072",
       .rows = 4096,
       .in_features = 12288,
       .out_features = 3072,
       .gated = true},
      {.name = "out of single block, gated, 4608 x 15360 to 3072",
       .rows = 4608,
       .in_features = 15360,
       .out_features = 3072,
       .gated = true},
      {.name = "text, 512 x 3072 to 9216", .rows = 512, .in_features = 3072, .out_features = 9216},
      {.name = "text out of mlp, gated, 512 x 12288 to 3072",
       .rows = 512,
       .in_features = 12288,
       .out_features = 3072,
       .gated = true},
      {.name = "modulation, 1 x 3072 to 18432", .rows = 1, .in_features = 3072, .out_features = 18432},
      {.name = "q8_0 weights, 4608 x 3072 to 9216",
       .rows = 4608,
       .in_features = 3072,
       .out_features = 9216,
       .weight = DType::kQ8_0},
      {.name = "q4_0 weights, 4608 x 3072 to 9216",
       .rows = 4608,
       .in_features = 3072,
       .out_features = 9216,
       .weight = DType::kQ4_0},
      {.name = "q4_k weights, 4608 x 3072 to 9216",
       .rows = 4608,
       .in_features = 3072,
       .out_features = 9216,
       .weight = DType::kQ4K},
      {.name = "q8_0 weights in int8, 4608 x 3072 to 9216",
       .rows = 4608,
       .in_features = 3072,
       .out_features = 9216,
       .weight = DType::kQ8_0,
       .compute = ops::Compute::kInt8},
      {.name = "bf16 weights in int8, 4608 x 3072 to 9216",
       .rows = 4608,
       .in_features = 3072,
       .out_features = 9216,
       .compute = ops::Compute::kInt8},
      {.name = "f32 weights, 4608 x 3072 to 9216",
       .rows = 4608,
       .in_features = 3072,
       .out_features = 9216,
       .weight = DType::kF32},
  };
  for (const LinearCase& each : cases) time_linear(bench, each);
}

void time_attention(Bench& bench, const char* name, std::int64_t rows, std::int64_t heads, std::int64_t head_dim,
                    bool biased) {
  const ArenaScope scope(bench.arena());
  const Shape shape = {rows, heads, head_dim};
  ops::Attention op = {.q = bench.random(DType::kBF16, shape),
                       .k = bench.random(DType::kBF16, shape),
                       .v = bench.random(DType::kBF16, shape),
                       .scale = 0.1f,
                       .out = bench.random(DType::kBF16, shape)};
  if (biased) op.relative_bias = bench.random(DType::kF32, {heads, 2 * rows - 1});
  print_flops(name, bench.time(op), ops::cost(op).flops);
}

void time_rows(Bench& bench) {
  constexpr DType bf16 = DType::kBF16;
  const ArenaScope scope(bench.arena());
  const Tensor x = bench.random(bf16, {4608, 3072});
  const Tensor out = bench.random(bf16, {4608, 3072});
  const Tensor vector = bench.random(bf16, {3072});
  const ops::Op norm = ops::LayerNorm{.x = x, .scale = vector, .shift = vector, .scale_offset = 1, .out = out};
  print_bytes("layer_norm, 4608 x 3072", bench.time(norm), ops::cost(norm).bytes);
  const ops::Op rope = ops::QkNormRope{
      .x = x.split_heads(24), .weight = bench.random(bf16, {128}), .pe = bench.random(DType::kF32, {4608, 128})};
  print_bytes("qk_norm_rope, 4608 x 24 x 128", bench.time(rope), ops::cost(rope).bytes);
  const ops::Op add = ops::Add{.a = x, .b = out, .out = out};
  print_bytes("add, 4608 x 3072", bench.time(add), ops::cost(add).bytes);
}

void time_pixels(Bench& bench, std::int64_t size, std::int64_t channels) {
  constexpr DType bf16 = DType::kBF16;
  const ArenaScope scope(bench.arena());
  const Shape shape = {size, size, channels};
  const std::string of = ", " + std::to_string(size) + " x " + std::to_string(size) + " x " + std::to_string(channels);
  const Tensor x = bench.random(bf16, shape);
  const Tensor out = bench.random(bf16, shape);
  const Tensor vector = bench.random(bf16, {channels});
  const ops::Op conv = ops::Conv2d{.x = x,
                                   .weight = bench.random(bf16, {channels, channels, 3, 3}),
                                   .bias = vector,
                                   .pad_top = 1,
                                   .pad_left = 1,
                                   .pad_bottom = 1,
                                   .pad_right = 1,
                                   .out = out};
  print_flops("conv2d" + of, bench.time(conv), ops::cost(conv).flops);
  const ops::Op moments = ops::GroupNormRows{.x = x, .groups = 32, .moments = bench.random(DType::kF32, {size, 32, 2})};
  print_bytes("group_norm_rows" + of, bench.time(moments), ops::cost(moments).bytes);
  const ops::Op apply = ops::GroupNormApply{.x = x,
                                            .stats = bench.random(DType::kF32, {32, 2}),
                                            .weight = vector,
                                            .bias = vector,
                                            .activation = ops::Activation::kSilu,
                                            .out = out};
  print_bytes("group_norm_apply" + of, bench.time(apply), ops::cost(apply).bytes);
}

void time_copies(Bench& bench) {
  constexpr std::size_t kBytes = std::size_t{512} << 20;
  const ArenaScope scope(bench.arena());
  const auto host = bench.backend().reserve_host(kBytes);
  std::byte* const device = bench.arena().allocate(kBytes);
  double best = 1e9;
  for (int i = 0; i < bench::kRounds; ++i) {
    const Clock::time_point begin = Clock::now();
    bench.backend().wait(bench.backend().copy_async({host->data(), kBytes}, device));
    best = std::min(best, seconds_since(begin));
  }
  print_bytes("copy to the device, 512 MiB locked", best, static_cast<double>(kBytes));
}

// What the driver says is in use, less what was reserved here: context, code, libraries, and other programs.
void print_overhead(Backend& backend) {
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  if (cudaMemGetInfo(&free_bytes, &total_bytes) != cudaSuccess) return;
  const std::uint64_t reserved = backend.device_memory().reserved_bytes;
  std::printf("in use besides regions: %.1f MiB, of %.1f MiB\n",
              static_cast<double>(total_bytes - free_bytes - reserved) / (1 << 20),
              static_cast<double>(total_bytes) / (1 << 20));
}

void run_all() {
  Bench bench;
  std::cout << bench.backend().arithmetic() << std::endl;
  print_overhead(bench.backend());
  time_linears(bench);
  time_attention(bench, "attention, 4608 x 24 x 128", 4608, 24, 128, false);
  time_attention(bench, "attention with bias, 512 x 64 x 64", 512, 64, 64, true);
  time_attention(bench, "attention in f32, 4096 x 1 x 512", 4096, 1, 512, false);
  time_rows(bench);
  time_pixels(bench, 128, 512);
  time_pixels(bench, 1024, 128);
  time_copies(bench);
  bench::print_product_rates(bench);
  print_overhead(bench.backend());
}

}  // namespace
}  // namespace steadyflux

int main() {
  if (steadyflux::num_cuda_devices() == 0) {
    std::cout << "no CUDA device: nothing was measured\n";
    return 77;
  }
  try {
    steadyflux::run_all();
    return 0;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
}
