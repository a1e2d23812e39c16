// How fast the machine's library convolves the shapes of a model.
#pragma once

#include <memory>
#include <vector>

#include "backend/measure/measure_backend.h"
#include "pipeline/bench/gemm_probe.h"

namespace steadyflux::bench {

// Times every convolution of a trace by oneDNN's direct algorithm, all operands lying as the library likes them; of
// pixels that are doubled first, the convolution of the doubled ones. Holds operands as large as the largest.
// Thread rule: one thread, and nothing else that computes while a round runs.
class ConvProbe {
 public:
  // `dtype` is f32 or bf16. Every convolution has run once when this returns.
  ConvProbe(std::vector<ConvTotal> convs, DType dtype, int num_threads);
  ~ConvProbe();
  ConvProbe(const ConvProbe&) = delete;
  ConvProbe& operator=(const ConvProbe&) = delete;

  // The seconds that all convolutions take, each as often as it counts; timed once more.
  double run_round();
  // The median over all rounds.
  double total_seconds() const { return median(seconds_); }

 private:
  struct Operands;

  double time(std::size_t index);

  std::vector<ConvTotal> convs_;
  std::unique_ptr<Operands> operands_;
  std::vector<double> seconds_;  // of each round
};

}  // namespace steadyflux::bench
