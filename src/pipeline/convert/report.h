// What a conversion did to the numbers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "pipeline/convert/encoded_rows.h"

namespace steadyflux::convert {

struct TensorResult {
  std::string component;  // "transformer"
  std::string name;       // in the file
  DType from = DType::kF32;
  DType dtype = DType::kF32;
  std::uint64_t num_elements = 0;
  std::uint64_t num_bytes = 0;  // scales included
  bool fell_back = false;       // its rows are not whole blocks of the type asked for
  ErrorSums errors;             // nothing for bytes that were copied
};

struct Report {
  bool cancelled = false;  // nothing was written then
  std::vector<TensorResult> tensors;

  // For people: per type number, bytes, errors; the five tensors with the largest relative errors; types that were not
  // possible.
  std::string to_text() const;
  // The same with every tensor.
  std::string to_json() const;
};

}  // namespace steadyflux::convert
