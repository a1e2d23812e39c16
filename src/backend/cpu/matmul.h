// Matrix products of one thread each, by oneDNN.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/dtype.h"

namespace steadyflux::cpu {

enum class WeightLayout : std::uint8_t {
  kNk,      // [n, k], as linear layers store it
  kKn,      // [k, n]
  kPacked,  // as the library likes it best for this product; written by MatmulCache::pack
};

// y[m, n] (+)= x[m, k] w, in sums of f32, or exact ones of i32. All rows follow each other without gaps: the library
// has its fast kernels for such operands only (2.6, Zen 4: 200 against 175 GFLOP/s with a stride).
struct MatmulShape {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  DType dtype = DType::kF32;  // of x and w: f32 or bf16, y being f32; or i8, x being u8 and y i32
  WeightLayout layout = WeightLayout::kNk;
  bool accumulate = false;  // add to y

  friend auto operator<=>(const MatmulShape&, const MatmulShape&) = default;
};

class Matmul;

// The products made so far: their number is bounded by the tilings in use. Holds compiled code.
// Thread rule: prepare() from one thread, while no other call is under way; run() from any number of workers.
class MatmulCache {
 public:
  explicit MatmulCache(int num_workers);
  ~MatmulCache();
  MatmulCache(const MatmulCache&) = delete;
  MatmulCache& operator=(const MatmulCache&) = delete;

  // Makes the product if need be. Returns the bytes of scratch that each call of run() and pack() needs.
  // Throws Error(kInternal) when the library refuses the shape.
  std::size_t prepare(const MatmulShape& shape);

  // Computes a prepared product. Same operands and shape: same bits, whatever the worker.
  void run(const MatmulShape& shape, int worker, const void* x, const void* w, void* y, std::byte* scratch) const;

  // Bytes of packed weights of a prepared product, and their packing from [n, k].
  std::size_t packed_bytes(const MatmulShape& shape) const;
  void pack(const MatmulShape& shape, int worker, const void* w, std::byte* packed, std::byte* scratch) const;

  std::size_t size() const { return products_.size(); }

 private:
  Matmul& find(const MatmulShape& shape) const;

  int num_workers_;
  std::size_t least_tile_scratch_bytes_;
  std::map<MatmulShape, std::unique_ptr<Matmul>> products_;
};

// The instruction set that oneDNN may use here, in its own words: "avx512_core_bf16", for instance.
std::string instruction_set();

// Whether this processor, as far as oneDNN may use it, multiplies bf16 natively.
bool has_bf16_products();

// Whether it multiplies bytes natively (VNNI): without that, the library's sums of i8 products saturate.
bool has_int8_products();

// oneDNN's version and the instruction sets that it uses here: what the bits of products depend on.
std::string products_arithmetic();

}  // namespace steadyflux::cpu
