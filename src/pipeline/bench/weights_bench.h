// What the type of a linear layer's weights costs: one layer, the same activations, each type in turn.
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.h"
#include "pipeline/bench/gemm_probe.h"

namespace steadyflux::bench {

// Every type that the weights of a linear layer may have.
std::vector<DType> weight_types();

// A linear layer of the shape [n, k] on m rows, with weights of several types that mean nothing. Holds all of them.
// Thread rule: one thread, and nothing else that computes while a round runs.
class WeightsBench {
 public:
  // k must be whole blocks of all types: else throws Error(kInvalidArgument). Each type has run once when this returns.
  WeightsBench(Backend& backend, const GemmShape& shape, DType activations, std::vector<DType> weights);
  ~WeightsBench();
  WeightsBench(const WeightsBench&) = delete;
  WeightsBench& operator=(const WeightsBench&) = delete;

  // Times the layer once with each type of weights.
  void run_round();

  const GemmShape& shape() const { return shape_; }
  const std::vector<DType>& types() const { return types_; }
  // The median over all rounds with the weights of types()[index].
  double seconds(std::size_t index) const { return median(seconds_[index]); }
  // The median over all rounds of the time with these weights over the time with those of types()[0] in the same round.
  double ratio(std::size_t index) const;

 private:
  struct Layer;

  double time(std::size_t index);

  Backend& backend_;
  GemmShape shape_;
  std::vector<DType> types_;
  std::unique_ptr<Layer> layer_;
  std::vector<std::vector<double>> seconds_;  // of each type, of each round
};

}  // namespace steadyflux::bench
