// Matrix products by cuBLASLt, each kind with an algorithm that is chosen once.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>

#include "backend/arena.h"
#include "backend/cuda/handles.h"
#include "base/dtype.h"

namespace steadyflux::cuda {

// out = x weight^T (+ bias) (+ out), or gelu of it: x [rows, depth], weight [features, depth], out [rows, features],
// rows of each `…_stride` elements apart. Sums are f32, rounded once to out's type; of integers they are exact.
struct Product {
  std::int64_t rows = 0;
  std::int64_t features = 0;
  std::int64_t depth = 0;
  std::int64_t x_stride = 0;
  std::int64_t weight_stride = 0;
  std::int64_t out_stride = 0;
  // Of x and weight: f32, which is multiplied in full precision, bf16 or i8. Of i8, depth and features are multiples of
  // 16 and 4.
  DType operand = DType::kF32;
  DType out = DType::kF32;  // f32; or bf16 with operands of bf16; i32 with those of i8, and only with those
  bool has_bias = false;    // of out's type
  bool gelu = false;        // the tanh form, after the bias; only without `accumulate`, operands and out of bf16
  bool accumulate = false;  // only to f32: the library may round a sum to bf16 before it adds it to bf16
  // Whether a sum may be cut into parts that are added at the end. Without, an element of `out` has the same bits
  // wherever its row stands.
  bool may_split_depth = true;
  bool aligned = true;  // all addresses are multiples of 16; otherwise of an element's size

  auto operator<=>(const Product&) const = default;
};

struct ProductMemory {
  const std::byte* x = nullptr;
  const std::byte* weight = nullptr;
  const std::byte* bias = nullptr;
  std::byte* out = nullptr;
};

// Whether all of these addresses are multiples of 16.
bool is_aligned(const ProductMemory& memory);

// Holds the library's handle and a plan for each product asked for. Thread rule: one thread.
class Products {
 public:
  // What the library is given for every product. The same for all, since its algorithms may want more for fewer rows.
  static constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;

  // kWorkspaceBytes of the arena at an address that the library accepts.
  static std::byte* allocate_workspace(Arena& arena);

  Products() : handle_(make_lt_handle()) {}

  // Plans a product, taken to be aligned, so that run() finds it made. The plan follows from the product, the device
  // and the library's version. Throws Error(kInternal) when the library has none.
  void prepare(const Product& product);

  // `workspace` is of allocate_workspace(). A product that is not aligned, which models do not ask for, is
  // planned when it is first met.
  void run(const Product& product, const ProductMemory& memory, std::byte* workspace, cudaStream_t stream);

 private:
  struct Plan {
    Owner<cublasLtMatmulDesc_t> operation;
    Owner<cublasLtMatrixLayout_t> weight, x, out;
    cublasLtMatmulAlgo_t algorithm = {};
    std::size_t workspace_bytes = 0;
  };

  const Plan& plan(const Product& product);
  Plan make_plan(const Product& product) const;

  Owner<cublasLtHandle_t> handle_;
  std::map<Product, Plan> plans_;
};

}  // namespace steadyflux::cuda
