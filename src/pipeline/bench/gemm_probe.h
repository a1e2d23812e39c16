// How fast the machine's matrix library multiplies the shapes of a model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/measure/measure_backend.h"
#include "base/dtype.h"

namespace steadyflux::bench {

// `count` products [m, k] x [k, n].
struct GemmShape {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  std::int64_t count = 1;

  // Of all of them, a multiply-add counting two.
  double flops() const {
    return 2 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) * static_cast<double>(count);
  }
};

// The linear layers of a trace, equal sizes together.
std::vector<GemmShape> gemms_of(const Trace& trace);

// The type in which the library is asked to multiply activations of type `activations`: bf16 only where the processor
// does.
DType product_dtype(DType activations);

// Middle value; the mean of the two middle ones of an even number. `values` is not empty.
double median(std::vector<double> values);

// Times every shape by oneDNN on nearly normal values, weights packed beforehand. Holds operands of every shape.
// Thread rule: one thread, and nothing else that computes while a round runs.
class GemmProbe {
 public:
  // `dtype` is f32 or bf16. Every product has run once when this returns.
  GemmProbe(std::vector<GemmShape> shapes, DType dtype, int num_threads);
  ~GemmProbe();
  GemmProbe(const GemmProbe&) = delete;
  GemmProbe& operator=(const GemmProbe&) = delete;

  // Times each shape once more. Returns the seconds that all products, each as often as it counts, take at that rate.
  double run_round();

  const std::vector<GemmShape>& shapes() const { return shapes_; }
  // The median over all rounds of one product of shape `index`.
  double seconds(std::size_t index) const { return median(seconds_[index]); }
  // The sum over all shapes of count and median.
  double total_seconds() const;
  double total_flops() const;

 private:
  struct Operands;

  double time(std::size_t index);

  std::vector<GemmShape> shapes_;
  std::unique_ptr<Operands> operands_;
  std::vector<std::vector<double>> seconds_;  // of each shape, of each round
};

}  // namespace steadyflux::bench
