// What the header of a file of tensors says of one of them, whatever the container.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"

namespace steadyflux {

struct TensorInfo {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;  // outermost first, each >= 0; empty for a scalar
  std::uint64_t offset = 0;         // of the first byte, from the start of the file
  std::uint64_t num_bytes = 0;
};

// A tensor that is to be written.
struct TensorSpec {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
};

// Elements of a row: the last extent; 1 of a scalar.
std::int64_t row_length(std::span<const std::int64_t> shape);

// Bytes of a tensor whose rows are whole blocks; nothing for a negative extent or when they do not fit 64 bits.
std::optional<std::uint64_t> checked_bytes(DType dtype, std::span<const std::int64_t> shape);

// Into the order of their bytes; of those that begin at one byte, the smaller first.
void sort_by_place(std::vector<TensorInfo>& tensors);

// More dimensions than any tensor has; bounds what one entry of a header can hold.
inline constexpr std::size_t kMaxFileRank = 16;

}  // namespace steadyflux
