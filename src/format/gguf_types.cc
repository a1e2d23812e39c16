#include "format/gguf_types.h"

#include <algorithm>
#include <array>

namespace steadyflux {
namespace {

struct NamedType {
  std::uint32_t number = 0;
  std::string_view name;
  std::optional<DType> dtype = {};
};

constexpr std::array kTypes = {
    NamedType{0, "F32", DType::kF32},
    NamedType{1, "F16", DType::kF16},
    NamedType{2, "Q4_0", DType::kQ4_0},
    NamedType{3, "Q4_1", DType::kQ4_1},
    NamedType{6, "Q5_0", DType::kQ5_0},
    NamedType{7, "Q5_1", DType::kQ5_1},
    NamedType{8, "Q8_0", DType::kQ8_0},
    NamedType{9, "Q8_1"},
    NamedType{10, "Q2_K", DType::kQ2K},
    NamedType{11, "Q3_K", DType::kQ3K},
    NamedType{12, "Q4_K", DType::kQ4K},
    NamedType{13, "Q5_K", DType::kQ5K},
    NamedType{14, "Q6_K", DType::kQ6K},
    NamedType{15, "Q8_K"},
    NamedType{16, "IQ2_XXS"},
    NamedType{17, "IQ2_XS"},
    NamedType{18, "IQ3_XXS"},
    NamedType{19, "IQ1_S"},
    NamedType{20, "IQ4_NL", DType::kIq4Nl},
    NamedType{21, "IQ3_S"},
    NamedType{22, "IQ2_S"},
    NamedType{23, "IQ4_XS", DType::kIq4Xs},
    NamedType{24, "I8", DType::kI8},
    NamedType{25, "I16"},
    NamedType{26, "I32", DType::kI32},
    NamedType{27, "I64", DType::kI64},
    NamedType{28, "F64", DType::kF64},
    NamedType{29, "IQ1_M"},
    NamedType{30, "BF16", DType::kBF16},
    NamedType{34, "TQ1_0"},
    NamedType{35, "TQ2_0"},
    NamedType{39, "MXFP4"},
};

const NamedType* find(std::uint32_t number) {
  const auto* const found =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const NamedType& type) { return type.number == number; });
  return found != kTypes.end() ? found : nullptr;
}

}  // namespace

std::uint64_t gguf_value_bytes(GgufType type) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kI8:
    case GgufType::kBool:
      return 1;
    case GgufType::kU16:
    case GgufType::kI16:
      return 2;
    case GgufType::kU32:
    case GgufType::kI32:
    case GgufType::kF32:
      return 4;
    case GgufType::kU64:
    case GgufType::kI64:
    case GgufType::kF64:
      return 8;
    case GgufType::kString:
    case GgufType::kArray:
      return 0;
  }
  return 0;
}

std::optional<DType> dtype_of_gguf(std::uint32_t type) {
  const NamedType* found = find(type);
  return found != nullptr ? found->dtype : std::nullopt;
}

std::optional<std::uint32_t> gguf_of_dtype(DType dtype) {
  const auto* const found =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const NamedType& type) { return type.dtype == dtype; });
  return found != kTypes.end() ? std::optional(found->number) : std::nullopt;
}

std::string_view gguf_type_name(std::uint32_t type) {
  const NamedType* found = find(type);
  return found != nullptr ? found->name : std::string_view();
}

}  // namespace steadyflux
