// What device code needs of the hardware beyond C++: launches, shared memory, warps, tensor cores, asynchronous copies.
// The only file with PTX in it but hopper.cuh, and the only one that knows how a kernel is started.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "backend/cuda/check.h"

namespace steadyflux::cuda {

inline constexpr int kWarp = 32;

// Gives a kernel to a stream, its blocks in clusters of `cluster` along x, of which `blocks` is a multiple. Throws
// Error(kInternal) when it cannot start.
template <typename... Parameters, typename... Arguments>
void launch_clusters(unsigned cluster, void (*kernel)(Parameters...), dim3 blocks, dim3 threads,
                     std::size_t shared_bytes, cudaStream_t stream, const Arguments&... arguments) {
  cudaLaunchConfig_t config = {};
  cudaLaunchAttribute attribute = {};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim.x = cluster;
  attribute.val.clusterDim.y = 1;
  attribute.val.clusterDim.z = 1;
  config.attrs = &attribute;
  config.numAttrs = cluster > 1 ? 1 : 0;
  config.gridDim = blocks;
  config.blockDim = threads;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  check(cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...), "cudaLaunchKernelEx");
}

// The same, each block by itself.
template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), dim3 blocks, dim3 threads, std::size_t shared_bytes, cudaStream_t stream,
            const Arguments&... arguments) {
  launch_clusters(1, kernel, blocks, threads, shared_bytes, stream, arguments...);
}

// Lets a kernel have more shared memory than the 48 KiB that every kernel may have.
template <typename... Parameters>
void allow_shared_bytes(void (*kernel)(Parameters...), std::size_t bytes) {
  check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(bytes)),
        "cudaFuncSetAttribute");
}

// The block's shared memory, of the size that the launch asked for.
template <typename T>
__device__ T* shared_memory() {
  extern __shared__ __align__(128) unsigned char bytes[];
  return reinterpret_cast<T*>(bytes);
}

__device__ inline void sync_block() { __syncthreads(); }
__device__ inline void sync_warp() { __syncwarp(); }
__device__ inline float shuffle_xor(float value, int mask) { return __shfl_xor_sync(0xFFFFFFFFu, value, mask); }
__device__ inline double shuffle_from(double value, int lane) { return __shfl_sync(0xFFFFFFFFu, value, lane); }

// Rounded each by itself: the compiler joins no multiplication with an addition here.
__device__ inline float rounded_product(float a, float b) { return __fmul_rn(a, b); }
__device__ inline float rounded_sum(float a, float b) { return __fadd_rn(a, b); }

// 2^x to two units in the last place; results below 2^-126 are zero.
__device__ inline float exp2_fast(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}

// a / b to two units in the last place, for |b| up to 2^126; 0 above.
__device__ inline float quotient_fast(float a, float b) { return __fdividef(a, b); }

// Two numbers as bf16, `low` in the lower half.
__device__ inline std::uint32_t bf16_pair(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const std::uint32_t*>(&pair);
}

// c += a b for a warp: a of 16 rows and depth 16, b of depth 16 and 8 columns, bf16; c f32. Who holds which elements is
// said in the PTX manual under mma.m16n8k16: of c, lane l has row l / 4, columns 2 (l % 4) and one more, then the same
// of row l / 4 + 8.
__device__ inline void multiply_add(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t* b) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
      "%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Four matrices of 8 x 8 bf16 from shared memory, in the layout of multiply_add. Lane l gives the address of row l % 8
// of matrix l / 8, aligned to 16 bytes.
__device__ inline void load_matrices(std::uint32_t (&matrices)[4], const void* row) {
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(matrices[0]), "=r"(matrices[1]), "=r"(matrices[2]), "=r"(matrices[3])
               : "r"(address));
}

// The same, each matrix transposed.
__device__ inline void load_matrices_transposed(std::uint32_t (&matrices)[4], const void* row) {
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(matrices[0]), "=r"(matrices[1]), "=r"(matrices[2]), "=r"(matrices[3])
               : "r"(address));
}

// Begins to copy 16 bytes to shared memory, zeros if not `present`: then `from` is not read, but is an address of the
// device all the same. Both are aligned to 16 bytes.
__device__ inline void begin_copy(void* shared, const void* from, bool present) {
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
  const int bytes = present ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(from), "r"(bytes) : "memory");
}

// Begins to bring the memory around an address into the L2 cache.
__device__ inline void prefetch_line(const void* address) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(__cvta_generic_to_global(address)));
}

// Ends a group of copies that this thread has begun.
__device__ inline void end_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Returns when all of this thread's groups but the latest kPending are done.
template <int kPending>
__device__ void wait_groups() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

}  // namespace steadyflux::cuda
