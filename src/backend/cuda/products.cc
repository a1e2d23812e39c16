#include "backend/cuda/products.h"

#include <algorithm>
#include <initializer_list>

namespace steadyflux::cuda {
namespace {

constexpr std::uintptr_t kUnit = 16;
constexpr std::uintptr_t kWorkspaceAlignment = 256;  // the library refuses less

cudaDataType_t data_type(DType dtype) {
  switch (dtype) {
    case DType::kBF16:
      return CUDA_R_16BF;
    case DType::kI8:
      return CUDA_R_8I;
    case DType::kI32:
      return CUDA_R_32I;
    default:
      return CUDA_R_32F;
  }
}

bool is_integer(const Product& product) { return product.operand == DType::kI8; }

cublasLtEpilogue_t epilogue_of(const Product& product) {
  if (product.gelu) return product.has_bias ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU;
  return product.has_bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
}

template <typename Value>
void set(cublasLtMatmulDesc_t operation, cublasLtMatmulDescAttributes_t attribute, const Value& value) {
  check(cublasLtMatmulDescSetAttribute(operation, attribute, &value, sizeof(value)), "cublasLtMatmulDescSetAttribute");
}

template <typename Value>
void set(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t attribute, const Value& value) {
  check(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof(value)),
        "cublasLtMatmulPreferenceSetAttribute");
}

// A row-major matrix [rows, columns], which the library sees as its transpose in columns.
Owner<cublasLtMatrixLayout_t> make_layout(DType dtype, std::int64_t rows, std::int64_t columns, std::int64_t stride) {
  cublasLtMatrixLayout_t layout = nullptr;
  check(cublasLtMatrixLayoutCreate(&layout, data_type(dtype), static_cast<std::uint64_t>(columns),
                                   static_cast<std::uint64_t>(rows), stride),
        "cublasLtMatrixLayoutCreate");
  return Owner<cublasLtMatrixLayout_t>(layout);
}

// The transpose of the whole: out^T = weight x^T, so that all three are read in the library's order.
Owner<cublasLtMatmulDesc_t> make_operation(const Product& product) {
  cublasLtMatmulDesc_t created = nullptr;
  // Full f32: no TF32, whose products have 11 significant bits.
  const cublasComputeType_t compute = is_integer(product) ? CUBLAS_COMPUTE_32I : CUBLAS_COMPUTE_32F;
  const cudaDataType_t scale = is_integer(product) ? CUDA_R_32I : CUDA_R_32F;
  check(cublasLtMatmulDescCreate(&created, compute, scale), "cublasLtMatmulDescCreate");
  Owner<cublasLtMatmulDesc_t> operation(created);
  set(created, CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
  set(created, CUBLASLT_MATMUL_DESC_TRANSB, CUBLAS_OP_N);
  set(created, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue_of(product));
  if (product.has_bias) {
    set(created, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, data_type(product.out));
    // Only its alignment counts while a plan is made.
    const std::uintptr_t address = product.aligned ? kUnit : dtype_bytes(product.out);
    set(created, CUBLASLT_MATMUL_DESC_BIAS_POINTER, reinterpret_cast<const void*>(address));
  }
  return operation;
}

Owner<cublasLtMatmulPreference_t> make_preference(const Product& product) {
  cublasLtMatmulPreference_t created = nullptr;
  check(cublasLtMatmulPreferenceCreate(&created), "cublasLtMatmulPreferenceCreate");
  Owner<cublasLtMatmulPreference_t> preference(created);
  set(created, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, Products::kWorkspaceBytes);
  // Parts of sums may be kept as f32 only: the other schemes add them in out's type, or in the order of their arrival.
  const std::uint32_t schemes = product.may_split_depth ? std::uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE} : 0u;
  set(created, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, schemes | std::uint32_t{CUBLASLT_REDUCTION_SCHEME_NONE});
  const auto operand_bytes = static_cast<std::uint32_t>(product.aligned ? kUnit : dtype_bytes(product.operand));
  const auto out_bytes = static_cast<std::uint32_t>(product.aligned ? kUnit : dtype_bytes(product.out));
  set(created, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, operand_bytes);
  set(created, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, operand_bytes);
  set(created, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, out_bytes);
  set(created, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, out_bytes);
  return preference;
}

}  // namespace

bool is_aligned(const ProductMemory& memory) {
  return std::ranges::all_of(
      std::initializer_list<const std::byte*>{memory.x, memory.weight, memory.bias, memory.out},
      [](const std::byte* address) { return reinterpret_cast<std::uintptr_t>(address) % kUnit == 0; });
}

std::byte* Products::allocate_workspace(Arena& arena) {
  std::byte* const memory = arena.allocate(kWorkspaceBytes + kWorkspaceAlignment - Arena::kAlignment);
  const std::uintptr_t beyond = reinterpret_cast<std::uintptr_t>(memory) % kWorkspaceAlignment;
  return beyond == 0 ? memory : memory + (kWorkspaceAlignment - beyond);
}

Products::Plan Products::make_plan(const Product& product) const {
  Plan plan;
  plan.operation = make_operation(product);
  plan.weight = make_layout(product.operand, product.features, product.depth, product.weight_stride);
  plan.x = make_layout(product.operand, product.rows, product.depth, product.x_stride);
  plan.out = make_layout(product.out, product.rows, product.features, product.out_stride);
  const auto preference = make_preference(product);
  cublasLtMatmulHeuristicResult_t result = {};
  int num_results = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(handle_.get(), plan.operation.get(), plan.weight.get(), plan.x.get(),
                                     plan.out.get(), plan.out.get(), preference.get(), 1, &result, &num_results);
  if (status != CUBLAS_STATUS_SUCCESS || num_results == 0 || result.state != CUBLAS_STATUS_SUCCESS) {
    fail(ErrorCode::kInternal, "cuBLASLt has no algorithm for a product of ", product.rows, " rows, ", product.features,
         " features and depth ", product.depth, " in ", dtype_name(product.operand), " to ", dtype_name(product.out),
         ", rows ", product.x_stride, ", ", product.weight_stride, " and ", product.out_stride, " apart",
         product.has_bias ? ", with bias" : "", product.gelu ? ", with gelu" : "",
         product.accumulate ? ", added to what is there" : "", product.aligned ? "" : ", unaligned", ": ",
         cublasLtGetStatusString(status));
  }
  plan.algorithm = result.algo;
  plan.workspace_bytes = result.workspaceSize;
  return plan;
}

const Products::Plan& Products::plan(const Product& product) {
  const auto found = plans_.find(product);
  if (found != plans_.end()) return found->second;
  return plans_.emplace(product, make_plan(product)).first->second;
}

void Products::prepare(const Product& product) {
  Product aligned = product;
  aligned.aligned = true;
  static_cast<void>(plan(aligned));
}

void Products::run(const Product& product, const ProductMemory& memory, std::byte* workspace, cudaStream_t stream) {
  const Plan& plan = this->plan(product);
  if (product.has_bias) set(plan.operation.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, memory.bias);
  const float factors[] = {1, product.accumulate ? 1.0f : 0.0f};
  const std::int32_t integer_factors[] = {1, product.accumulate ? 1 : 0};
  const auto factor = [&](int i) -> const void* {
    return is_integer(product) ? static_cast<const void*>(&integer_factors[i]) : &factors[i];
  };
  check(cublasLtMatmul(handle_.get(), plan.operation.get(), factor(0), memory.weight, plan.weight.get(), memory.x,
                       plan.x.get(), factor(1), memory.out, plan.out.get(), memory.out, plan.out.get(), &plan.algorithm,
                       workspace, plan.workspace_bytes, stream),
        "cublasLtMatmul");
}

}  // namespace steadyflux::cuda
