// Matrix products by oneDNN alone, on threads of its own: the yardstick that this backend is measured against.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/dtype.h"

namespace steadyflux::cpu {

// y[m, n] = x[m, k] w[n, k]^T, all three of one type: f32 or bf16.
struct LibraryGemmShape {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  DType dtype = DType::kF32;
};

// One product with its weights, which are kept in the layout that the library likes best for this shape; x and y are
// plain rows. Holds the packed weights and compiled code.
// Thread rule: one thread, whose OpenMP setting is as before after each call.
class LibraryGemm {
 public:
  // `weights` is [n, k] row-major; borrowed for the length of the call. Throws Error(kInternal) when the library
  // refuses the shape.
  LibraryGemm(const LibraryGemmShape& shape, int num_threads, std::span<const std::byte> weights);
  ~LibraryGemm();
  LibraryGemm(LibraryGemm&&) noexcept;
  LibraryGemm& operator=(LibraryGemm&&) noexcept;

  // Returns when it is done. `x` has m * k elements, `y` m * n.
  void run(std::span<const std::byte> x, std::span<std::byte> y);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace steadyflux::cpu
