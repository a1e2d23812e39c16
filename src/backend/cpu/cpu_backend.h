// The processor as a device: every operation cut into tiles for one pool of threads.
//
// How the work is cut depends on shapes only, and every tile is computed by one thread in one order: results have the
// same bits for any number of threads. Matrix products run in oneDNN primitives of one thread each, everything else in
// kernels compiled for several instruction sets and chosen at run time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "backend/backend.h"

namespace steadyflux {

// In which type bf16 activations are multiplied. Everything else is multiplied in f32.
enum class CpuBf16 : std::uint8_t {
  kAuto,  // bf16 products with f32 sums where the processor has them, f32 otherwise
  kOff,   // f32 always
};

struct CpuOptions {
  int num_threads = 0;  // 0: one for each processor this process may use
  CpuBf16 bf16 = CpuBf16::kAuto;
  bool lock_memory = false;  // keep regions from being swapped; one that the system does not lock is used all the same
};

// What the processor can do for matrix products, after ONEDNN_MAX_CPU_ISA (oneDNN's own environment variable).
struct CpuProducts {
  std::string instruction_set;  // in oneDNN's words: "avx2", "avx512_core_bf16", …
  bool bf16 = false;            // bf16 products with f32 sums
};
CpuProducts cpu_products();

// Threads start here; throws Error(kIo) when they cannot.
// Environment: ONEDNN_MAX_CPU_ISA (oneDNN's own variable) limits the matrix products' instruction set, and with it the
// use of bf16.
std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options = {});

}  // namespace steadyflux
