#include "backend/cuda/tensor_map.h"

#include <cudaTypedefs.h>
#include <cuda_runtime_api.h>

#include <cstdint>

#include "backend/cuda/check.h"

namespace steadyflux::cuda {
namespace {

constexpr cuuint32_t kBoxColumns = 64;
constexpr std::uint64_t kUnitBytes = 16;
constexpr std::uint64_t kElementBytes = 2;

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
         static_cast<std::uint64_t>(rows.row_stride()) * kElementBytes % kUnitBytes == 0;
}

CUtensorMap make_tensor_map(const Tensor& rows, int box_rows) {
  static const auto encode = encode_tiled();
  CUtensorMap map = {};
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(rows.dim(1) * rows.dim(2)), static_cast<cuuint64_t>(rows.dim(0))};
  const cuuint64_t stride_bytes[] = {static_cast<cuuint64_t>(rows.row_stride()) * kElementBytes};
  const cuuint32_t box[] = {kBoxColumns, static_cast<cuuint32_t>(box_rows)};
  const cuuint32_t steps[] = {1, 1};
  const CUresult status = encode(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, rows.data, sizes, stride_bytes, box, steps,
                                 CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                 CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (status != CUDA_SUCCESS) {
    fail(ErrorCode::kInternal, "cuTensorMapEncodeTiled failed with ", static_cast<int>(status), " for rows ",
         rows.shape.to_string(), ", ", rows.row_stride(), " elements apart");
  }
  return map;
}

}  // namespace steadyflux::cuda
