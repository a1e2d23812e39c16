#include "format/weight_entry.h"

#include "base/checked.h"
#include "base/error.h"
#include "format/printable.h"
#include "tensor/tensor.h"

namespace steadyflux {
namespace {

// The scales of `count` blocks (i8: rows) from `begin` on.
ScalesExtents part_of(const ScalesExtents& scales, std::int64_t begin, std::int64_t count) {
  const auto cut = [](const Extent& extent, std::int64_t first, std::int64_t number, std::size_t bytes_each) {
    return Extent{extent.file, extent.offset + static_cast<std::uint64_t>(first) * bytes_each,
                  static_cast<std::uint64_t>(number) * bytes_each};
  };
  const std::int64_t first = scales.first + begin;
  if (scales.nested.num_bytes == 0) return {cut(scales.values, first, count, sizeof(float)), {}, 0, 0};
  // Values that share a nested scale stay together.
  const std::int64_t group = first / Scales::kNestedBlock;
  const std::int64_t skipped = group * Scales::kNestedBlock;
  return {cut(scales.values, skipped, first - skipped + count, 1),
          cut(scales.nested, group, ceil_div(first - skipped + count, Scales::kNestedBlock), sizeof(float)),
          scales.offset, first - skipped};
}

}  // namespace

std::int64_t WeightEntry::num_elements() const {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  return count;
}

WeightEntry rows_of(const WeightEntry& entry, std::int64_t begin, std::int64_t count, std::string_view name) {
  ensure(!entry.shape.empty() && begin >= 0 && count >= 0 && begin + count <= entry.shape[0], "rows ", begin, "+",
         count, " of ", name);
  const std::int64_t row = entry.shape[0] > 0 ? entry.num_elements() / entry.shape[0] : 0;
  const std::int64_t block = block_shape(entry.dtype).elements;
  if (row % block != 0) {
    fail(ErrorCode::kUnsupported, "\"", printable(name), "\" has to be cut into rows of ", row,
         " elements, but its type ", dtype_name(entry.dtype), " comes in blocks of ", block);
  }
  WeightEntry part = entry;
  part.shape[0] = count;
  part.values.offset += bytes_of(entry.dtype, begin * row);
  part.values.num_bytes = bytes_of(entry.dtype, count * row);
  if (!has_scales_apart(entry.dtype) || entry.scales.values.num_bytes == 0) return part;
  const std::int64_t scales_each = scales_per_row(entry.dtype, row);
  part.scales = part_of(entry.scales, begin * scales_each, count * scales_each);
  return part;
}

}  // namespace steadyflux
