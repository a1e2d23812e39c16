#include "pipeline/convert/weight_rows.h"

#include "base/error.h"

namespace steadyflux::convert {

WeightRows::WeightRows(const WeightIndex& index, std::string_view name, std::int64_t rows, std::int64_t row_length)
    : index_(index), name_(name), entry_(index.at(name)), rows_(rows) {
  ensure(entry_.num_elements() == rows * row_length, name, " is no matrix of ", rows, " rows of ", row_length);
  entry_.shape = {rows, row_length};
}

std::size_t WeightRows::bytes_of_rows(std::int64_t count) const {
  return static_cast<std::size_t>(entry_.num_bytes()) / static_cast<std::size_t>(rows_) *
         static_cast<std::size_t>(count);
}

Tensor WeightRows::read(std::int64_t begin, std::int64_t count) {
  const WeightEntry part = count == rows_ ? entry_ : rows_of(entry_, begin, count, name_);
  Tensor tensor(read_extent(part.values, values_), part.dtype, {count, part.shape[1]});
  if (part.scales.values.num_bytes > 0) {
    tensor.scales.values = read_extent(part.scales.values, scales_);
    tensor.scales.offset = part.scales.offset;
    tensor.scales.first = part.scales.first;
  }
  if (part.scales.nested.num_bytes > 0) tensor.scales.nested = read_extent(part.scales.nested, nested_);
  return tensor;
}

std::byte* WeightRows::read_extent(const Extent& extent, std::vector<std::byte>& memory) const {
  memory.resize(extent.num_bytes);
  index_.files()[extent.file]->read(extent.offset, memory);
  return memory.data();
}

}  // namespace steadyflux::convert
