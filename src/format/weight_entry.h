// One weight of a component and the stretches of files that it is made of.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"

namespace steadyflux {

struct Extent {
  std::uint32_t file = 0;    // into WeightIndex::files()
  std::uint64_t offset = 0;  // from the start of that file
  std::uint64_t num_bytes = 0;

  friend bool operator==(const Extent&, const Extent&) = default;
};

// Where the scales lie of a weight whose type keeps them apart from its elements; see Scales in tensor.h.
struct ScalesExtents {
  Extent values;
  Extent nested;           // no bytes unless nested
  float offset = 0;        // of nested scales
  std::int64_t first = 0;  // the one of the values that is the weight's first

  friend bool operator==(const ScalesExtents&, const ScalesExtents&) = default;
};

struct WeightEntry {
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  Extent values;
  ScalesExtents scales = {};  // without bytes unless has_scales_apart(dtype)

  std::uint64_t num_bytes() const { return values.num_bytes + scales.values.num_bytes + scales.nested.num_bytes; }
  std::int64_t num_elements() const;

  friend bool operator==(const WeightEntry&, const WeightEntry&) = default;
};

using WeightEntries = std::map<std::string, WeightEntry, std::less<>>;

// Rows [begin, begin + count) of the first dimension, which the entry has. Throws Error(kUnsupported) naming the weight
// when they are not whole blocks.
WeightEntry rows_of(const WeightEntry& entry, std::int64_t begin, std::int64_t count, std::string_view name);

}  // namespace steadyflux
