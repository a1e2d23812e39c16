// Matrix products of one thread each, by oneDNN.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "base/dtype.h"

namespace steadyflux::cpu {

// y[m, n] (+)= x[m, k] w, in f32 sums.
struct MatmulShape {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  std::int64_t x_stride = 0;  // elements from row to row
  std::int64_t w_stride = 0;
  std::int64_t y_stride = 0;
  DType dtype = DType::kF32;  // of x and w: f32 or bf16; y is f32
  bool w_is_nk = true;        // w is [n, k], as linear layers store it; otherwise [k, n]
  bool accumulate = false;    // add to y

  friend auto operator<=>(const MatmulShape&, const MatmulShape&) = default;
};

// The product of one shape. Plain (not repacked) operands: measured on Zen 4 with tiles of 128 columns, the library's
// own packing inside the call costs 1-3 % of the product, packing a tile beforehand costs 5-10 %.
class Matmul;

// The products made so far: their number is bounded by the tilings in use. Holds compiled code.
// Thread rule: prepare() from one thread, while no other call is under way; run() from any number of workers.
class MatmulCache {
 public:
  explicit MatmulCache(int num_workers);
  ~MatmulCache();
  MatmulCache(const MatmulCache&) = delete;
  MatmulCache& operator=(const MatmulCache&) = delete;

  // Makes the product if need be. Returns the bytes of scratch that each run of it needs.
  // Throws Error(kInternal) when the library refuses the shape.
  std::size_t prepare(const MatmulShape& shape);

  // Computes a prepared product. Same operands and shape: same bits, whatever the worker.
  void run(const MatmulShape& shape, int worker, const void* x, const void* w, float* y, std::byte* scratch) const;

  std::size_t size() const { return products_.size(); }

 private:
  int num_workers_;
  std::map<MatmulShape, std::unique_ptr<Matmul>> products_;
};

// Whether this processor, as far as oneDNN may use it, multiplies bf16 natively.
bool has_bf16_products();

}  // namespace steadyflux::cpu
