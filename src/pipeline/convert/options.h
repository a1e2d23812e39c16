// What is to be converted, and into what.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "format/dialect/dialect.h"
#include "format/model_dir.h"

namespace steadyflux::convert {

// Weights whose canonical names match the pattern are stored as this type.
struct TypeRule {
  std::string pattern;  // '*' stands for any characters
  DType dtype = DType::kF32;
};

// "PATTERN=TYPE". Throws Error(kInvalidArgument) when it is not that, or nothing can be converted to the type.
TypeRule parse_type_rule(std::string_view text);

// A type to convert to: f32, f16, bf16, i8, nf4, fp4 or what codec::can_encode knows. Throws Error(kInvalidArgument).
DType parse_target(std::string_view name);

bool matches(std::string_view pattern, std::string_view name);

struct ConvertOptions {
  std::filesystem::path model;  // a directory
  ReplacedWeights replaced = {};
  DType to = DType::kBF16;
  // A new directory for a model; or a file, *.safetensors or *.gguf, for one component.
  std::filesystem::path out = {};
  std::vector<TypeRule> rules = {};     // the last that matches holds
  std::set<Component> components = {};  // to convert, the others stay; empty: the transformer and, in a directory, T5
  std::uint64_t ram_bytes = 0;          // the most the process may hold; 0: no limit
  int threads = 0;                      // 0: one per processor
};

}  // namespace steadyflux::convert
