#include "backend/cuda/tensor_map.h"

#include <cudaTypedefs.h>
#include <cuda_runtime_api.h>

#include <cstdint>

#include "backend/cuda/check.h"

namespace steadyflux::cuda {
namespace {

constexpr std::size_t kBoxRowBytes = 128;
constexpr std::uint64_t kUnitBytes = 16;

// The driver's function, asked for at run time: the program need not be linked with the driver.
PFN_cuTensorMapEncodeTiled_v12000 encode_tiled() {
  constexpr unsigned kSince = 12000;
  void* function = nullptr;
  cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
  check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, kSince, cudaEnableDefault, &result),
        "cudaGetDriverEntryPointByVersion");
  if (result != cudaDriverEntryPointSuccess || function == nullptr) {
    fail(ErrorCode::kInternal, "the CUDA driver has no cuTensorMapEncodeTiled; it is older than 12.0");
  }
  return reinterpret_cast<PFN_cuTensorMapEncodeTiled_v12000>(function);
}

}  // namespace

bool is_mappable(const Tensor& rows) {
  return rows.dtype == DType::kBF16 && reinterpret_cast<std::uintptr_t>(rows.data) % kUnitBytes == 0 &&
         static_cast<std::uint64_t>(rows.row_stride()) * dtype_bytes(rows.dtype) % kUnitBytes == 0;
}

CUtensorMap make_tensor_map(const MappedRows& matrix, int box_rows) {
  static const auto encode = encode_tiled();
  CUtensorMap map = {};
  const std::size_t element_bytes = dtype_bytes(matrix.dtype);
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(matrix.columns), static_cast<cuuint64_t>(matrix.rows)};
  const cuuint64_t stride_bytes[] = {static_cast<cuuint64_t>(matrix.row_stride) * element_bytes};
  const cuuint32_t box[] = {static_cast<cuuint32_t>(kBoxRowBytes / element_bytes), static_cast<cuuint32_t>(box_rows)};
  const cuuint32_t steps[] = {1, 1};
  const CUresult status =
      encode(&map, matrix.dtype == DType::kI8 ? CU_TENSOR_MAP_DATA_TYPE_UINT8 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2,
             const_cast<std::byte*>(matrix.data), sizes, stride_bytes, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
             CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (status != CUDA_SUCCESS) {
    fail(ErrorCode::kInternal, "cuTensorMapEncodeTiled failed with ", static_cast<int>(status), " for ", matrix.rows,
         " rows of ", matrix.columns, " columns in ", dtype_name(matrix.dtype), ", ", matrix.row_stride,
         " elements apart");
  }
  return map;
}

CUtensorMap make_tensor_map(const Tensor& rows, int box_rows) {
  return make_tensor_map({rows.data, rows.dtype, rows.dim(0), rows.dim(1) * rows.dim(2), rows.row_stride()}, box_rows);
}

}  // namespace steadyflux::cuda
