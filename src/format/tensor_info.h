// What the header of a file of tensors says of one of them, whatever the container.
#pragma once

#include <cstdint>
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

// More dimensions than any tensor has; bounds what one entry of a header can hold.
inline constexpr std::size_t kMaxFileRank = 16;

}  // namespace steadyflux
