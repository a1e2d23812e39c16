// Normal noise with the bits of PyTorch's CPU generator, so that a seed means the image it means there.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <span>

#include "base/bf16.h"

namespace steadyflux::sampling {

// What torch.Generator("cpu").manual_seed(seed) is to torch.randn: each call continues where the last one stopped.
// Equal bit for bit to torch 2.13 on x86 with AVX2 (its dispatch level "AVX2" and above), on any machine.
// Holds the state of one Mersenne twister; borrows nothing. Thread rule: one thread at a time.
class TorchGenerator {
 public:
  // PyTorch uses the low 32 bits of `seed` only: 2^32 gives the noise of 0.
  explicit TorchGenerator(std::uint64_t seed);

  // Standard normal numbers, as torch.randn(out.size(), dtype=torch.float32 or torch.bfloat16) draws them.
  // The two types agree up to rounding only where out.size() is below 16 or a multiple of it.
  void randn(std::span<float> out);
  void randn(std::span<BFloat16> out);

 private:
  float uniform_24_bits();
  double uniform_53_bits();
  double next_normal();

  std::mt19937 engine_;
  std::optional<double> cached_normal_;  // the second half of the last pair made by next_normal
};

// One draw from a fresh generator.
void torch_randn(std::uint64_t seed, std::span<float> out);
void torch_randn_bf16(std::uint64_t seed, std::span<BFloat16> out);

}  // namespace steadyflux::sampling
