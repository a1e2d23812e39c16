// Made-up numbers that behave like a network's weights: reproducible on every machine, made at the speed of a disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/dtype.h"
#include "platform/page_region.h"

namespace steadyflux::bench {

// A sequence of independent, nearly normal values: each is the scaled sum of four uniform ones, so none lies further
// than 3.47 deviations from the mean. Value i depends on `key` and i alone, so a part can be made without the rest.
struct ValueSequence {
  std::uint64_t key = 0;
  float mean = 0;
  float deviation = 1;
};

// A key for the tensor `name`: other names and other seeds give unrelated sequences.
std::uint64_t sequence_key(std::uint64_t seed, std::string_view name);

// Value first + i of the sequence goes to out[i].
void fill_values(const ValueSequence& sequence, std::uint64_t first, std::span<float> out);

// The same as elements of `dtype` (f32, f16 or bf16), rounded to nearest; out.size() is a multiple of their size and
// `out` is aligned to it.
void fill_values(const ValueSequence& sequence, std::uint64_t first, DType dtype, std::span<std::byte> out);

// `count` elements of `dtype` (f32 or bf16), nearly normal, for a product to be timed with. Other seeds, other values.
PageRegion normal_operand(std::uint64_t seed, DType dtype, std::int64_t count);

}  // namespace steadyflux::bench
