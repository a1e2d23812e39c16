#include "pipeline/doctor/op_rates.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "backend/arena.h"
#include "backend/executor.h"
#include "backend/measure/measure_backend.h"
#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "memory/group_reader.h"
#include "platform/page_region.h"

namespace steadyflux::doctor {
namespace {

// FLUX.1 at 512x512 with 256 text tokens.
constexpr std::int64_t kTokens = 1280;
constexpr std::int64_t kWidth = 3072;
constexpr std::int64_t kHeads = 24;
constexpr std::int64_t kHeadDim = 128;
// The autoencoder's decoder in the middle of that picture.
constexpr std::int64_t kSide = 128;
constexpr std::int64_t kChannels = 256;
constexpr std::int64_t kGroups = 32;

constexpr std::size_t kFillBytes = std::size_t{4} << 20;
constexpr std::size_t kTouchBytes = std::size_t{256} << 20;
constexpr std::size_t kCopyBytes = std::size_t{256} << 20;
constexpr std::size_t kCopyPieceBytes = std::size_t{4} << 20;

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point begin_ = Clock::now();
};

// Small numbers of either sign, as f32 and as bf16 alike.
std::vector<std::byte> small_values(std::size_t num_bytes) {
  std::vector<std::byte> values(num_bytes);
  std::uint32_t state = 1;
  for (std::size_t at = 0; at + sizeof(std::uint32_t) <= values.size(); at += sizeof(std::uint32_t)) {
    state = state * 1664525u + 1013904223u;
    const std::uint32_t value = (state & 0x80FF80FFu) | 0x3C003C00u;
    std::memcpy(values.data() + at, &value, sizeof(value));
  }
  return values;
}

void fill_region(Backend& backend, const Region& region) {
  const std::vector<std::byte> values = small_values(kFillBytes);
  for (std::size_t at = 0; at < region.size_bytes(); at += values.size()) {
    const std::size_t num_bytes = std::min(values.size(), region.size_bytes() - at) / sizeof(float) * sizeof(float);
    const auto count = static_cast<std::int64_t>(num_bytes / sizeof(float));
    backend.upload({values.data(), num_bytes}, Tensor(region.data() + at, DType::kF32, {count}));
  }
}

// Allocates its tensors from the executor's arena and runs operations on them.
using Work = FunctionRef<void(const Executor&)>;

struct Timed {
  ops::Cost cost;  // of one run
  double seconds = 0;
};

Timed time_work(Backend& backend, double seconds, Work work) {
  MeasureBackend measure(backend);
  Arena measuring = Arena::measuring();
  work(Executor(measure, measuring));
  const auto region = backend.reserve(measuring.peak_bytes());
  fill_region(backend, *region);
  const auto run = [&] {
    Arena arena(region->data(), region->size_bytes());
    work(Executor(backend, arena));
    backend.wait(backend.record(Stream::kCompute));
  };
  run();
  const Stopwatch watch;
  int repeats = 0;
  do {
    run();
    ++repeats;
  } while (watch.seconds() < seconds);
  return {measure.trace().total, watch.seconds() / repeats};
}

void run_linear(const Executor& executor, DType dtype) {
  const ops::LinearPart part = {.linear = {.weight = executor.allocate(dtype, {kWidth, kWidth})},
                                .out = executor.allocate(dtype, {kTokens, kWidth}),
                                .compute = executor.compute()};
  executor.run(ops::LinearMany{executor.allocate(dtype, {kTokens, kWidth}), {&part, 1}});
}

void run_int8_linear(const Executor& executor, DType dtype) {
  run_linear(executor.with_compute(ops::Compute::kInt8), dtype);
}

void run_attention(const Executor& executor, DType dtype) {
  const auto tensor = [&] { return executor.allocate(dtype, {kTokens, kHeads, kHeadDim}); };
  executor.run(ops::Attention{.q = tensor(), .k = tensor(), .v = tensor(), .scale = 0.09f, .out = tensor()});
}

void run_conv(const Executor& executor, DType dtype) {
  const auto pixels = [&] { return executor.allocate(dtype, {kSide, kSide, kChannels}); };
  executor.run(ops::Conv2d{.x = pixels(),
                           .weight = executor.allocate(dtype, {kChannels, kChannels, 3, 3}),
                           .pad_top = 1,
                           .pad_left = 1,
                           .pad_bottom = 1,
                           .pad_right = 1,
                           .out = pixels()});
}

// Normalisations, of tokens and of pixels: what most of the remaining traffic is.
void run_other(const Executor& executor, DType dtype) {
  executor.run(ops::LayerNorm{.x = executor.allocate(DType::kF32, {kTokens, kWidth}),
                              .scale = executor.allocate(dtype, {kWidth}),
                              .shift = executor.allocate(dtype, {kWidth}),
                              .scale_offset = 1,
                              .out = executor.allocate(dtype, {kTokens, kWidth})});
  const Tensor pixels = executor.allocate(dtype, {kSide, kSide, kChannels});
  const Tensor moments = executor.allocate(DType::kF32, {kSide, kGroups, 2});
  const Tensor stats = executor.allocate(DType::kF32, {kGroups, 2});
  executor.run(ops::GroupNormRows{.x = pixels, .groups = kGroups, .moments = moments});
  executor.run(ops::GroupNormStats{.moments = moments, .stats = stats});
  executor.run(ops::GroupNormApply{.x = pixels,
                                   .stats = stats,
                                   .weight = executor.allocate(dtype, {kChannels}),
                                   .bias = executor.allocate(dtype, {kChannels}),
                                   .activation = ops::Activation::kSilu,
                                   .out = pixels});
}

}  // namespace

OpRates measure_op_rates(Backend& backend, DType activations, double seconds) {
  using Run = void (*)(const Executor&, DType);
  const auto time = [&](Run run) {
    return time_work(backend, seconds, [&](const Executor& executor) { run(executor, activations); });
  };
  const auto flops_rate = [&](Run run) {
    const Timed timed = time(run);
    return timed.cost.flops / timed.seconds;
  };
  OpRates rates;
  rates.linear_flops = flops_rate(run_linear);
  rates.int8_flops = flops_rate(run_int8_linear);
  rates.attention_flops = flops_rate(run_attention);
  rates.conv_flops = flops_rate(run_conv);
  const Timed other = time(run_other);
  rates.other_bytes = other.cost.bytes / other.seconds;
  return rates;
}

double measure_device_copy_rate(Backend& backend, double seconds) {
  constexpr std::size_t kBytes = GroupReader::kBytesPerRead;
  const auto host = backend.reserve_host(2 * kBytes);
  const auto device = backend.reserve(2 * kBytes);
  const auto copy = [&](std::size_t half) {
    return backend.copy_async({host->data() + half * kBytes, kBytes}, device->data() + half * kBytes);
  };
  backend.wait(copy(0));
  const Stopwatch watch;
  double copied = 0;
  do {
    copy(0);
    backend.wait(copy(1));
    copied += 2 * static_cast<double>(kBytes);
  } while (watch.seconds() < seconds);
  return copied / watch.seconds();
}

double measure_touch_rate() {
  const Stopwatch watch;
  const PageRegion region(kTouchBytes);
  return static_cast<double>(region.size()) / watch.seconds();
}

double measure_copy_rate(int num_threads, double seconds) {
  ThreadPool pool(num_threads);
  const PageRegion from(kCopyBytes);
  const PageRegion to(kCopyBytes);
  constexpr auto kPieces = static_cast<std::int64_t>(kCopyBytes / kCopyPieceBytes);
  const Stopwatch watch;
  double copied = 0;
  do {
    pool.run(kPieces, [&](std::int64_t piece, int) {
      const std::size_t at = static_cast<std::size_t>(piece) * kCopyPieceBytes;
      std::memcpy(to.data() + at, from.data() + at, kCopyPieceBytes);
    });
    copied += static_cast<double>(kCopyBytes);
  } while (watch.seconds() < seconds);
  return 2 * copied / watch.seconds();
}

}  // namespace steadyflux::doctor
