// Reads rows of weights out of their files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "format/weight_index.h"
#include "tensor/tensor.h"

namespace steadyflux::convert {

// Rows of a weight in host memory, as codec::decode_row takes them. Thread rule: one thread.
class WeightRows {
 public:
  // The weight as a matrix [rows, row_length] of as many elements. Borrows the index.
  WeightRows(const WeightIndex& index, std::string_view name, std::int64_t rows, std::int64_t row_length);

  DType dtype() const { return entry_.dtype; }
  // Bytes that `count` rows take here.
  std::size_t bytes_of_rows(std::int64_t count) const;

  // Rows [begin, begin + count); valid until the next call. Throws what reading throws.
  Tensor read(std::int64_t begin, std::int64_t count);

 private:
  std::byte* read_extent(const Extent& extent, std::vector<std::byte>& memory) const;

  const WeightIndex& index_;
  std::string_view name_;
  WeightEntry entry_;
  std::int64_t rows_;
  std::vector<std::byte> values_;
  std::vector<std::byte> scales_;
  std::vector<std::byte> nested_;
};

}  // namespace steadyflux::convert
