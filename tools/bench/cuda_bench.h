// A CUDA device with memory to lay operands out in, and the time that operations take on it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "backend/arena.h"
#include "backend/cuda_backend.h"
#include "backend/executor.h"
#include "base/bf16.h"

namespace steadyflux::bench {

inline constexpr double kRoundSeconds = 0.1;
inline constexpr int kRounds = 5;
inline constexpr std::size_t kArenaBytes = std::size_t{6} << 30;

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// A device with memory to lay operands out in.
class Bench {
 public:
  Bench()
      : backend_(make_cuda_backend()),
        memory_(backend_->reserve(kArenaBytes)),
        arena_(memory_->data(), memory_->size_bytes()),
        executor_(*backend_, arena_) {
    // Numbers of about one, so that no product overflows; the same block fills every tensor.
    std::mt19937 generator(1);
    for (std::uint16_t& each : noise_) {
      each = bf16_from_float(static_cast<float>(generator()) * 0x1p-31f - 1).bits;
    }
  }

  Backend& backend() { return *backend_; }
  Arena& arena() { return arena_; }

  Tensor random(DType dtype, const Shape& shape) {
    const Tensor tensor = arena_.allocate(dtype, shape);
    const auto bytes = std::as_bytes(std::span(noise_));
    for (std::size_t at = 0; at < tensor.num_bytes(); at += bytes.size()) {
      const std::size_t count = std::min(bytes.size(), tensor.num_bytes() - at);
      backend_->upload(bytes.first(count), {tensor.data + at, DType::kU8, {static_cast<std::int64_t>(count)}});
    }
    return tensor;
  }

  // Median seconds of one run.
  double time(const ops::Op& op) {
    run(op, 2);
    const double once = std::max(run(op, 3) / 3, 1e-6);
    const int runs = std::clamp(static_cast<int>(kRoundSeconds / once), 3, 2000);
    std::vector<double> rounds;
    for (int i = 0; i < kRounds; ++i) rounds.push_back(run(op, runs) / runs);
    std::nth_element(rounds.begin(), rounds.begin() + kRounds / 2, rounds.end());
    return rounds[kRounds / 2];
  }

 private:
  double run(const ops::Op& op, int count) {
    backend_->wait(backend_->record(Stream::kCompute));
    const Clock::time_point begin = Clock::now();
    for (int i = 0; i < count; ++i) executor_.run(op);
    backend_->wait(backend_->record(Stream::kCompute));
    return seconds_since(begin);
  }

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Region> memory_;
  Arena arena_;
  Executor executor_;
  std::vector<std::uint16_t> noise_ = std::vector<std::uint16_t>(std::size_t{8} << 20);
};

}  // namespace steadyflux::bench
