#include "pipeline/overhead.h"

namespace steadyflux {
namespace {

// Measured on runs of spark and of FLUX.1-wide checkpoints: 3 to 5 MiB of heap and generated code.
constexpr std::uint64_t kFixedBytes = 9ull << 20;
// Touched part of a worker's stack and its thread-local state.
constexpr std::uint64_t kBytesPerThread = 128ull << 10;

}  // namespace

std::uint64_t overhead_bytes(int threads) {
  return kFixedBytes + kBytesPerThread * static_cast<std::uint64_t>(threads);
}

}  // namespace steadyflux
