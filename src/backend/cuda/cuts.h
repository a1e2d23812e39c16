// How linear layers are cut into products, so that what these leave in scratch is bounded.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/checked.h"
#include "tensor/tensor.h"

namespace steadyflux::cuda {

// Products whose sums need more than the library does to them leave these in scratch. So many (64 MiB) are all sums of
// FLUX.1's width at 1024x1024: a product of fewer rows has hardly more tiles than a large card has multiprocessors, and
// leaves half of them idle at its end.
inline constexpr std::int64_t kMostSums = std::int64_t{16} << 20;
// Weights that are no operands are converted in parts of at most so many bytes.
inline constexpr std::int64_t kMostWeightBytes = std::int64_t{64} << 20;
// Rows and features that products are cut at: whole tiles of the library's kernels.
inline constexpr std::int64_t kCut = 128;

// The largest multiple of kCut that `most` elements hold with `other` in the other direction; at least one.
constexpr std::int64_t cut_size(std::int64_t most, std::int64_t other) {
  return std::max(most / other / kCut, std::int64_t{1}) * kCut;
}

// The size of the parts that `count` is cut into: at most `most`, a multiple of kCut, about equally large.
constexpr std::int64_t even_part(std::int64_t count, std::int64_t most) {
  const std::int64_t parts = ceil_div(count, most);
  return std::min(count, ceil_div(ceil_div(count, parts), kCut) * kCut);
}

struct Block {
  std::int64_t begin = 0;
  std::int64_t count = 0;
};

// Calls f with the blocks of `size` that `count` is cut into; the last may be shorter.
template <typename F>
void for_each_block(std::int64_t count, std::int64_t size, const F& f) {
  for (std::int64_t begin = 0; begin < count; begin += size) f(Block{begin, std::min(size, count - begin)});
}

// Elements [begin, begin + count) of an optional vector.
inline Tensor slice(const Tensor& vector, Block block) {
  return vector.empty() ? vector : vector.rows(block.begin, block.count);
}

}  // namespace steadyflux::cuda
