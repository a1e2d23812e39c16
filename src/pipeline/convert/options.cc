#include "pipeline/convert/options.h"

#include "base/error.h"
#include "format/printable.h"
#include "tensor/codec.h"

namespace steadyflux::convert {

DType parse_target(std::string_view name) {
  const auto dtype = parse_dtype(name);
  const bool floating = dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
  if (dtype && (floating || has_scales_apart(*dtype) || codec::can_encode(*dtype))) return *dtype;
  std::string known = "f32, f16, bf16, i8, nf4, fp4";
  for (std::size_t i = 0; i < kNumDTypes; ++i) {
    const auto candidate = static_cast<DType>(i);
    if (is_quantised(candidate) && codec::can_encode(candidate) && !has_scales_apart(candidate)) {
      known += ", " + std::string(dtype_name(candidate));
    }
  }
  fail(ErrorCode::kInvalidArgument, "'", printable(name), "' is not a type to convert to; there are ", known);
}

TypeRule parse_type_rule(std::string_view text) {
  const std::size_t equals = text.rfind('=');
  if (equals == std::string_view::npos || equals == 0) {
    fail(ErrorCode::kInvalidArgument, "'", printable(text),
         "' is not a rule; write PATTERN=TYPE, for example '*.proj_out.weight=q8_0'");
  }
  return {std::string(text.substr(0, equals)), parse_target(text.substr(equals + 1))};
}

bool matches(std::string_view pattern, std::string_view name) {
  // Where the last '*' stands, and from which character on it was tried to stand for nothing more.
  std::size_t star = std::string_view::npos;
  std::size_t retry = 0;
  std::size_t p = 0;
  std::size_t n = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retry = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++retry;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace steadyflux::convert
